package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.entry;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.scoring.Likelihood;
import dev.moe4j.eval.statistics.Bootstrap;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class MeasureTest {

    private static Example example(Set<Integer> gold, String... labels) {
        return new Example(
                "file:1",
                Collections.nCopies(labels.length, new Example.Candidate("", "x")),
                List.of(labels),
                gold,
                "",
                "");
    }

    private static Measure.Outcome outcome(String group, double... values) {
        return new Measure.Outcome(values, group);
    }

    @Test
    void theBestCandidateCountsAndTiesAreShared() {
        Example two = example(Set.of(0, 2), "a", "b", "c", "d");
        assertThat(Measure.ACCURACY.outcome(two, new double[] {-1, -2, -3, -4}, List.of()))
                .containsExactly(1);
        assertThat(Measure.ACCURACY.outcome(two, new double[] {-9, -2, -3, -4}, List.of()))
                .containsExactly(0);
        assertThat(Measure.ACCURACY.outcome(two, new double[] {-2, -2, -2, -2}, List.of()))
                .containsExactly(0.5);
        assertThat(Measure.ACCURACY.chance(List.of(two))).isEqualTo(0.5);
    }

    @Test
    void stereosetAveragesOverTargets() {
        List<Measure.Outcome> outcomes =
                List.of(outcome("chef", 1, 1), outcome("chef", 0.5, 1), outcome("nurse", 1, 0.5));
        Map<String, Double> figures = Measure.STEREOSET.figures(outcomes);
        assertThat(figures).containsExactly(entry("icat", 0.875 * 0.25 / 0.5), entry("lms", 0.875), entry("ss", 0.75));
    }

    @Test
    void stereosetGoesByLabels() {
        Example labelled = example(Set.of(1), "unrelated", "stereotype", "anti-stereotype");
        assertThat(Measure.STEREOSET.outcome(labelled, new double[] {-2, -1, -3}, List.of()))
                .containsExactly(0.5, 1);
        assertThat(Measure.STEREOSET.outcome(labelled, new double[] {-3, -2, -1}, List.of()))
                .containsExactly(1, 0);
        assertThatThrownBy(() -> Measure.STEREOSET.outcome(example(Set.of(0), "a"), new double[1], List.of()))
                .isInstanceOf(EvalException.class)
                .hasMessage("file:1: no candidate is labelled stereotype, as stereoset needs it");
    }

    @Test
    void normalisations() {
        Likelihood answer = new Likelihood(-6, 3, 12, false);
        Likelihood alone = new Likelihood(-4, 3, 12, false);
        assertThat(Normalisation.SUM.score(answer, alone)).isEqualTo(-6);
        assertThat(Normalisation.MEAN.score(answer, alone)).isEqualTo(-2);
        assertThat(Normalisation.BYTES.score(answer, alone)).isEqualTo(-0.5);
        assertThat(Normalisation.PMI.score(answer, alone)).isEqualTo(-2);
    }

    /** Compares with the theory for a mean of 0s and 1s. Strata remove the variance between them. */
    @Test
    void bootstrapIntervals() {
        List<Measure.Outcome> outcomes = new ArrayList<>();
        List<String> one = new ArrayList<>();
        List<String> two = new ArrayList<>();
        for (int i = 0; i < 400; i++) {
            outcomes.add(outcome("", i % 4 == 0 ? 1 : 0));
            one.add("");
            two.add(i % 4 == 0 ? "right" : "wrong");
        }
        double[] interval = interval(outcomes, one, 1);
        double error = 1.96 * Math.sqrt(0.25 * 0.75 / 400);
        assertThat(interval[0]).isCloseTo(0.25 - error, within(0.01));
        assertThat(interval[1]).isCloseTo(0.25 + error, within(0.01));
        assertThat(interval(outcomes, one, 1)).isEqualTo(interval);
        assertThat(interval(outcomes, two, 1)).containsExactly(0.25, 0.25);
    }

    /**
     * Every draw gives the same proportion, but a few questions carry little information. The bounds of 0 of 40 and 1
     * of 1 were computed by hand.
     */
    @Test
    void sharesOfQuestionsThatAreAllAlikeHaveAnInterval() {
        assertThat(accuracy(0, 40)).containsExactly(new double[] {0, 0.0876}, within(1e-4));
        assertThat(accuracy(1, 1)).containsExactly(new double[] {0.2065, 1}, within(1e-4));
        assertThat(accuracy(2, 2)).containsExactly(new double[] {0.3424, 1}, within(1e-4));

        // All outcomes within a category are equal.
        List<Measure.Outcome> outcomes = List.of(outcome("", 1), outcome("", 1), outcome("", 0), outcome("", 0));
        double[] stratified = TaskResults.intervals(outcomes, List.of("a", "a", "b", "b"), Measure.ACCURACY, 1)
                .get("accuracy");
        assertThat(stratified).containsExactly(new double[] {0.15, 0.85}, within(1e-3));

        // A perplexity is not a proportion: a single answer gives no spread.
        Map<String, double[]> exact =
                TaskResults.intervals(List.of(outcome("", 1, 2.5)), List.of(""), Measure.EXACT, 1);
        assertThat(exact.get("perplexity")).containsExactly(Double.NaN, Double.NaN);
        assertThat(exact.getOrDefault("accuracy", new double[1])[0]).isCloseTo(0.2065, within(1e-4));
    }

    private static double[] accuracy(int right, int questions) {
        List<Measure.Outcome> outcomes = new ArrayList<>();
        List<String> strata = new ArrayList<>();
        for (int i = 0; i < questions; i++) {
            outcomes.add(outcome("", i < right ? 1 : 0));
            strata.add("");
        }
        return TaskResults.intervals(outcomes, strata, Measure.ACCURACY, 1).getOrDefault("accuracy", new double[0]);
    }

    private static double[] interval(List<Measure.Outcome> outcomes, List<String> strata, long seed) {
        return Bootstrap.intervals(outcomes, strata, Measure.ACCURACY::figures, seed)
                .getOrDefault("accuracy", new double[0]);
    }
}
