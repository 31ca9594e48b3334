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

/** Simulated studies whose truth is known: perplexity 30 · cost^−0.1 in units of 1e12 FLOPs, four sizes of each family. */
class FactorIntervalTest {

    private static final long SEED = 20261130;
    private static final int STUDIES = 1000;
    private static final double MOST_FALSE = 0.07;
    private static final Figure MEAN = Figure.mean(Figure.Group.IN_DOMAIN);

    /**
     * A study's models.
     *
     * @param seeds of each model
     * @param gain how much fewer FLOPs a mixture needs
     * @param noise relative deviation of perplexities between seeds
     */
    private static List<Rung> study(int seeds, double gain, double noise, Random random) {
        List<Trained> trained = new ArrayList<>();
        for (int size = 0; size < 4; size++) {
            for (int experts : new int[] {0, 8}) {
                for (int seed = 1; seed <= seeds; seed++) {
                    trained.add(trained(size, experts, seed, gain, noise, random));
                }
            }
        }
        return Rung.of(trained);
    }

    private static Trained trained(int size, int experts, int seed, double gain, double noise, Random random) {
        double flops = 1e12 * Math.pow(2, size);
        double all = noise * random.nextGaussian();
        Map<String, Trained.TextScore> texts = new LinkedHashMap<>();
        double[] difficulty = {0.6, 0.9, 1.2, 1.5};
        for (int text = 0; text < difficulty.length; text++) {
            double perplexity = difficulty[text] * 30 * Math.pow((experts == 0 ? 1 : gain) * flops / 1e12, -0.1);
            texts.put(
                    "text " + text,
                    new Trained.TextScore(
                            true,
                            perplexity * Math.exp(all + 0.3 * noise * random.nextGaussian()),
                            Double.NaN,
                            Double.NaN,
                            List.of()));
        }
        return new Trained(
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

    /** Studies without a difference: how many verdicts say that there is one, in FLOPs and in time. */
    @ParameterizedTest
    @CsvSource({"2, 0.01", "2, 0.03", "3, 0.01", "3, 0.03", "5, 0.01", "5, 0.03"})
    void falseVerdictsAreRare(int seeds, double noise) {
        Random random = new Random(SEED);
        int flops = 0;
        int seconds = 0;
        for (int i = 0; i < STUDIES; i++) {
            List<Rung> rungs = study(seeds, 1, noise, random);
            flops += pays(Comparison.of(MEAN, Spending.FLOPS, rungs)) ? 1 : 0;
            seconds += pays(Comparison.of(MEAN, Spending.SECONDS, rungs)) ? 1 : 0;
        }
        assertThat((double) flops / STUDIES).as("in FLOPs, seed " + SEED).isLessThanOrEqualTo(MOST_FALSE);
        assertThat((double) seconds / STUDIES).as("in time, seed " + SEED).isLessThanOrEqualTo(MOST_FALSE);
    }

    private static boolean pays(Comparison comparison) {
        return comparison.verdict() == Verdict.MIXTURE_PAYS || comparison.verdict() == Verdict.DENSE_PAYS;
    }

    /** An interval that is wide enough for anything would also give no false verdict. */
    @ParameterizedTest
    @CsvSource({"2, 0.6", "3, 0.9", "5, 0.99"})
    void aRealDifferenceIsFoundAndCovered(int seeds, double found) {
        Random random = new Random(SEED);
        double gain = 2;
        int mixture = 0;
        int covered = 0;
        for (int i = 0; i < STUDIES; i++) {
            Comparison comparison = Comparison.of(MEAN, Spending.FLOPS, study(seeds, gain, 0.01, random));
            mixture += comparison.verdict() == Verdict.MIXTURE_PAYS ? 1 : 0;
            covered += comparison.interval().orElseThrow().contains(gain) ? 1 : 0;
        }
        assertThat((double) mixture / STUDIES).as("found, seed " + SEED).isGreaterThanOrEqualTo(found);
        assertThat((double) covered / STUDIES).as("covered, seed " + SEED).isGreaterThanOrEqualTo(0.93);
    }

    @Test
    void oneSeedIsUndecidedHoweverLargeTheFactor() {
        Comparison comparison = Comparison.of(MEAN, Spending.FLOPS, study(1, 2, 0, new Random(SEED)));

        assertThat(comparison.factor()).isCloseTo(2, within(0.01));
        assertThat(comparison.verdict()).isEqualTo(Verdict.UNDECIDED_ONE_SEED);
        assertThat(comparison.interval()).isEmpty();
        assertThat(comparison.verdict().words()).isEqualTo("undecided: one seed");
    }

    /** The smallest dense model is not read at the target, so its single seed does not matter; the largest one's does. */
    @Test
    void onlyModelsThatDecideTheFactorNeedSeveralSeeds() {
        List<Rung> rungs = study(3, 2, 0.003, new Random(SEED));

        assertThat(Comparison.of(MEAN, Spending.FLOPS, withOneSeed(rungs, "0 experts 0")))
                .extracting(Comparison::seeds, Comparison::verdict)
                .containsExactly(3, Verdict.MIXTURE_PAYS);
        assertThat(Comparison.of(MEAN, Spending.FLOPS, withOneSeed(rungs, "0 experts 3")))
                .extracting(Comparison::seeds, Comparison::verdict)
                .containsExactly(1, Verdict.UNDECIDED_ONE_SEED);
    }

    private static List<Rung> withOneSeed(List<Rung> rungs, String model) {
        return rungs.stream()
                .map(rung ->
                        rung.run().model().equals(model) ? new Rung(rung.seeds().subList(0, 1)) : rung)
                .toList();
    }

    /** More questions narrow an accuracy's interval, more seeds do not: all seeds answer the same questions. */
    @Test
    void questionsAreAPartOfTheirOwn() {
        Figure accuracy = Figure.mean(Figure.Group.ZERO_SHOT);
        double few = width(Comparison.of(accuracy, Spending.FLOPS, tasks(3, 0.004)));
        double many = width(Comparison.of(accuracy, Spending.FLOPS, tasks(3, 0.002)));
        double moreSeeds = width(Comparison.of(accuracy, Spending.FLOPS, tasks(6, 0.004)));

        assertThat(few / many).isCloseTo(2, within(0.1));
        assertThat(moreSeeds).isCloseTo(few, within(1e-9));
    }

    private static double width(Comparison comparison) {
        Interval interval = comparison.interval().orElseThrow();
        return Math.log(interval.high() / interval.low());
    }

    private static List<Rung> tasks(int seeds, double half) {
        List<Rung> rungs = new ArrayList<>();
        for (Rung rung : study(seeds, 1, 0, new Random(SEED))) {
            double accuracy = 0.5 + 0.05 * Math.log(rung.mean(Trained::flops) / 1e12) + (rung.isDense() ? 0 : 0.01);
            rungs.add(new Rung(rung.seeds().stream()
                    .map(seed -> new Trained(
                            seed.run(),
                            seed.watts(),
                            seed.seconds(),
                            null,
                            Double.NaN,
                            Map.of(),
                            Map.of(
                                    "piqa",
                                    new Trained.TaskScore(
                                            0,
                                            1,
                                            300,
                                            0,
                                            0,
                                            0.5,
                                            List.of(new Trained.Named(
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
        return rungs;
    }
}
