package dev.moe4j.report.statistics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.study.steps.StudyIndex;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Simulates studies with a known factor. Perplexity is 30 · cost^−0.1 with the cost in units of 1e12 FLOPs, and each family
 * has four sizes.
 */
class FactorIntervalTest {

    private static final long SEED = 20261130;
    private static final int STUDIES = 1000;
    private static final double MAX_FALSE_RATE = 0.07;
    private static final QualityMetric MEAN = QualityMetric.mean(QualityMetric.Group.IN_DOMAIN);

    /**
     * Simulates a study.
     *
     * @param seeds number of seeds of each model
     * @param gain the true speedup factor in FLOPs
     * @param noise relative deviation of perplexities between seeds
     */
    private static List<ModelAtBudget> study(int seeds, double gain, double noise, Random random) {
        List<TrainedModel> trained = new ArrayList<>();
        for (int size = 0; size < 4; size++) {
            for (int experts : new int[] {0, 8}) {
                for (int seed = 1; seed <= seeds; seed++) {
                    trained.add(trained(size, experts, seed, gain, noise, random));
                }
            }
        }
        return ModelAtBudget.of(trained);
    }

    private static TrainedModel trained(int size, int experts, int seed, double gain, double noise, Random random) {
        double flops = 1e12 * Math.pow(2, size);
        double all = noise * random.nextGaussian();
        Map<String, TrainedModel.TextScore> texts = new LinkedHashMap<>();
        double[] difficulty = {0.6, 0.9, 1.2, 1.5};
        for (int text = 0; text < difficulty.length; text++) {
            double perplexity = difficulty[text] * 30 * Math.pow((experts == 0 ? 1 : gain) * flops / 1e12, -0.1);
            texts.put(
                    "text " + text,
                    new TrainedModel.TextScore(
                            true,
                            perplexity * Math.exp(all + 0.3 * noise * random.nextGaussian()),
                            Double.NaN,
                            Double.NaN,
                            List.of()));
        }
        return new TrainedModel(
                run(size, experts, seed, flops),
                10,
                flops / 1e11 * Math.exp(0.03 * random.nextGaussian()),
                null,
                Double.NaN,
                texts,
                Map.of(),
                Map.of(),
                Map.of(),
                List.of());
    }

    private static StudyIndex.Run run(int size, int experts, int seed, double flops) {
        return new StudyIndex.Run(
                experts + " experts " + size,
                "english",
                "prepare-1",
                "bytes",
                experts,
                1,
                1,
                flops / 1e6,
                0,
                flops / 1e6,
                "",
                1_000_000,
                seed,
                "train",
                null,
                null,
                null,
                null,
                null,
                List.of());
    }

    /** Counts the false verdicts of studies without a true difference, in FLOPs and in time. */
    @ParameterizedTest
    @CsvSource({"2, 0.01", "2, 0.03", "3, 0.01", "3, 0.03", "5, 0.01", "5, 0.03"})
    void falseVerdictsAreRare(int seeds, double noise) {
        Random random = new Random(SEED);
        int flops = 0;
        int seconds = 0;
        for (int i = 0; i < STUDIES; i++) {
            List<ModelAtBudget> models = study(seeds, 1, noise, random);
            flops += pays(FamilySpeedup.of(MEAN, CostMeasure.FLOPS, models)) ? 1 : 0;
            seconds += pays(FamilySpeedup.of(MEAN, CostMeasure.SECONDS, models)) ? 1 : 0;
        }
        assertThat((double) flops / STUDIES).as("in FLOPs, seed " + SEED).isLessThanOrEqualTo(MAX_FALSE_RATE);
        assertThat((double) seconds / STUDIES).as("in time, seed " + SEED).isLessThanOrEqualTo(MAX_FALSE_RATE);
    }

    private static boolean pays(FamilySpeedup comparison) {
        return comparison.verdict() == Verdict.MIXTURE_PAYS || comparison.verdict() == Verdict.DENSE_PAYS;
    }

    /** Checks the power of the test, because infinitely wide intervals would give no false verdict either. */
    @ParameterizedTest
    @CsvSource({"2, 0.6", "3, 0.9", "5, 0.99"})
    void aRealDifferenceIsFoundAndCovered(int seeds, double found) {
        Random random = new Random(SEED);
        double gain = 2;
        int mixture = 0;
        int covered = 0;
        for (int i = 0; i < STUDIES; i++) {
            FamilySpeedup comparison = FamilySpeedup.of(MEAN, CostMeasure.FLOPS, study(seeds, gain, 0.01, random));
            mixture += comparison.verdict() == Verdict.MIXTURE_PAYS ? 1 : 0;
            covered += comparison.interval().orElseThrow().contains(gain) ? 1 : 0;
        }
        assertThat((double) mixture / STUDIES).as("found, seed " + SEED).isGreaterThanOrEqualTo(found);
        assertThat((double) covered / STUDIES).as("covered, seed " + SEED).isGreaterThanOrEqualTo(0.93);
    }

    @Test
    void oneSeedIsUndecidedForAnyFactor() {
        FamilySpeedup comparison = FamilySpeedup.of(MEAN, CostMeasure.FLOPS, study(1, 2, 0, new Random(SEED)));

        assertThat(comparison.factor()).isCloseTo(2, within(0.01));
        assertThat(comparison.verdict()).isEqualTo(Verdict.UNDECIDED_ONE_SEED);
        assertThat(comparison.interval()).isEmpty();
        assertThat(comparison.verdict().words()).isEqualTo("undecided: one seed");
    }

    /** The smallest dense model does not affect the factor, so a single seed suffices. The largest one does affect it. */
    @Test
    void onlyModelsThatDecideTheFactorNeedSeveralSeeds() {
        List<ModelAtBudget> models = study(3, 2, 0.003, new Random(SEED));

        assertThat(FamilySpeedup.of(MEAN, CostMeasure.FLOPS, withOneSeed(models, "0 experts 0")))
                .extracting(FamilySpeedup::seeds, FamilySpeedup::verdict)
                .containsExactly(3, Verdict.MIXTURE_PAYS);
        assertThat(FamilySpeedup.of(MEAN, CostMeasure.FLOPS, withOneSeed(models, "0 experts 3")))
                .extracting(FamilySpeedup::seeds, FamilySpeedup::verdict)
                .containsExactly(1, Verdict.UNDECIDED_ONE_SEED);
    }

    private static List<ModelAtBudget> withOneSeed(List<ModelAtBudget> models, String model) {
        return models.stream()
                .map(each -> each.run().model().equals(model)
                        ? new ModelAtBudget(each.seeds().subList(0, 1))
                        : each)
                .toList();
    }

    /** More questions narrow an accuracy's interval. More seeds do not, because all seeds answer the same questions. */
    @Test
    void theVarianceOverQuestionsDoesNotShrinkWithSeeds() {
        QualityMetric accuracy = QualityMetric.mean(QualityMetric.Group.ZERO_SHOT);
        double few = width(FamilySpeedup.of(accuracy, CostMeasure.FLOPS, tasks(3, 0.004)));
        double many = width(FamilySpeedup.of(accuracy, CostMeasure.FLOPS, tasks(3, 0.002)));
        double moreSeeds = width(FamilySpeedup.of(accuracy, CostMeasure.FLOPS, tasks(6, 0.004)));

        assertThat(few / many).isCloseTo(2, within(0.1));
        assertThat(moreSeeds).isCloseTo(few, within(1e-9));
    }

    private static double width(FamilySpeedup comparison) {
        Interval interval = comparison.interval().orElseThrow();
        return Math.log(interval.high() / interval.low());
    }

    private static List<ModelAtBudget> tasks(int seeds, double half) {
        List<ModelAtBudget> models = new ArrayList<>();
        for (ModelAtBudget each : study(seeds, 1, 0, new Random(SEED))) {
            double accuracy =
                    0.5 + 0.05 * Math.log(each.mean(TrainedModel::flops) / 1e12) + (each.isDense() ? 0 : 0.01);
            models.add(new ModelAtBudget(each.seeds().stream()
                    .map(seed -> new TrainedModel(
                            seed.run(),
                            seed.watts(),
                            seed.seconds(),
                            null,
                            Double.NaN,
                            Map.of(),
                            Map.of(
                                    "piqa",
                                    new TrainedModel.TaskScore(
                                            0,
                                            1,
                                            300,
                                            0,
                                            0,
                                            0.5,
                                            List.of(new TrainedModel.TaskFigure(
                                                    "accuracy",
                                                    accuracy,
                                                    Double.NaN,
                                                    accuracy - half,
                                                    accuracy + half)))),
                            Map.of(),
                            Map.of(),
                            List.of()))
                    .toList()));
        }
        return models;
    }
}
