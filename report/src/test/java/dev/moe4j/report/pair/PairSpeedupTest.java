package dev.moe4j.report.pair;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.base.text.Numbers;
import dev.moe4j.report.Curves;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.HeldOutLoss;
import dev.moe4j.report.statistics.LearningCurve;
import dev.moe4j.report.statistics.Verdict;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

class PairSpeedupTest {
    private static final double[] COSTS = {1e12, 2e12, 4e12, 8e12, 16e12, 32e12};

    @Test
    void findsTheFactorBetweenShiftedCopiesOfACurve() {
        LearningCurve moe = Curves.of(COSTS, PairSpeedupTest::powerLaw, 0);
        LearningCurve dense = Curves.of(times(2.5, COSTS), cost -> powerLaw(cost / 2.5), 0);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe);

        assertThat(speedup.factor().orElseThrow()).isCloseTo(2.5, offset(1e-9));
        assertThat(speedup.verdict()).isEqualTo(Verdict.UNDECIDED_ONE_SEED);
        PairSpeedup.Reading reading = speedup.reading().orElseThrow();
        assertThat(reading.interval().low()).isCloseTo(2.5, offset(1e-6));
        assertThat(reading.interval().high()).isCloseTo(2.5, offset(1e-6));
        assertThat(reading.denseCost()).isCloseTo(80e12, within(1.0));
        assertThat(reading.moeCost()).isCloseTo(32e12, within(1.0));
    }

    @Test
    void secondsAreReadFromTheTimeAxis() {
        // Curves assigns one second per 1e12 FLOPs, multiplied by the requested slowness.
        LearningCurve dense = Curves.of(times(2, COSTS), cost -> powerLaw(cost / 2), 0, 1);
        LearningCurve moe = Curves.of(COSTS, PairSpeedupTest::powerLaw, 0, 3);

        assertThat(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe)
                        .factor()
                        .orElseThrow())
                .isCloseTo(2, offset(1e-9));
        PairSpeedup time = PairSpeedup.compare("in-domain", CostMeasure.SECONDS, dense, moe);
        assertThat(time.factor().orElseThrow()).isCloseTo(2.0 / 3, offset(1e-9));
        assertThat(time.verdict()).isEqualTo(Verdict.UNDECIDED_ONE_SEED);
        assertThat(PairSpeedupText.sentence(time))
                .startsWith("In this run the dense model reached in-domain perplexity ")
                .contains("1.50 times less time", "factor of 0.67; undecided: one seed (");

        assertThat(PairSpeedupText.headline(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe), time))
                .startsWith("In this run the mixture reached ")
                .contains("2.00 times fewer FLOPs than the dense model; in time the speedup factor is 0.67;"
                        + " undecided: one seed (")
                .contains("(95 % interval over the held-out text 2.00 to 2.00, in time 0.67 to 0.67;"
                        + " budget 64.0 TFLOP dense")
                .endsWith(").");
    }

    @Test
    void theTargetIsTheLowestLossThatBothReachedAndLiesBetweenPointsOfTheOtherCurve() {
        // Loss 6 - 0.5 ln(c) is linear in ln(cost), so interpolation is exact. The dense model costs three times as
        // much.
        LearningCurve moe = Curves.of(COSTS, cost -> 6 - 0.5 * Math.log(cost / 1e12), 0);
        LearningCurve dense = Curves.of(new double[] {1e12, 5e12, 20e12}, cost -> 6 - 0.5 * Math.log(cost / 3e12), 0);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe);

        assertThat(speedup.targetLoss()).isCloseTo(6 - 0.5 * Math.log(20.0 / 3), offset(1e-12));
        assertThat(speedup.factor().orElseThrow()).isCloseTo(3, offset(1e-9));
        PairSpeedup.EqualCost equal = speedup.atEqualCost().orElseThrow();
        assertThat(equal.cost()).isEqualTo(20e12);
        assertThat(equal.lossDifference()).isCloseTo(-0.5 * Math.log(3), offset(1e-9));
        assertThat(equal.difference().low()).isCloseTo(equal.lossDifference(), offset(1e-9));
        assertThat(equal.difference().high()).isCloseTo(equal.lossDifference(), offset(1e-9));
    }

    @Test
    void swappingTheRunsInvertsTheFactor() {
        LearningCurve a = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.05, 1);
        LearningCurve b = Curves.noisy(COSTS, cost -> powerLaw(cost * 1.7), 0.05, 2);

        PairSpeedup faster = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, a, b);
        PairSpeedup slower = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, b, a);

        assertThat(faster.factor().orElseThrow()).isGreaterThan(1);
        assertThat(slower.factor().orElseThrow()).isLessThan(1);
        assertThat(faster.factor().orElseThrow() * slower.factor().orElseThrow())
                .isCloseTo(1, offset(1e-9));
        assertThat(slower.reading().orElseThrow().interval().low())
                .isCloseTo(1 / faster.reading().orElseThrow().interval().high(), offset(1e-9));
    }

    @Test
    void equalCurvesHaveAFactorOfOne() {
        LearningCurve curve = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.1, 3);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, curve, curve);

        assertThat(speedup.verdict()).isEqualTo(Verdict.UNDECIDED_ONE_SEED);
        assertThat(speedup.factor().orElseThrow()).isEqualTo(1);
        assertThat(PairSpeedupText.sentence(speedup))
                .contains("undecided: one seed", "1.00")
                .doesNotContain("no difference");
    }

    @Test
    void theIntervalOfASmallDifferenceWithNoiseContainsOne() {
        LearningCurve dense = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.5, 4);
        LearningCurve moe = Curves.noisy(COSTS, cost -> powerLaw(cost * 1.01), 0.5, 5);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe);

        assertThat(speedup.reading().orElseThrow().interval().contains(1)).isTrue();
    }

    @Test
    void textThatIsHardForBothModelsDoesNotWidenTheInterval() {
        // Windows differ by a nat and more, equally in both runs. Pairing cancels the difference.
        LearningCurve dense = Curves.of(COSTS, PairSpeedupTest::powerLaw, 1.5);
        LearningCurve moe = Curves.of(COSTS, cost -> powerLaw(cost * 1.3), 1.5);

        PairSpeedup.Reading reading = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe)
                .reading()
                .orElseThrow();

        assertThat(reading.interval().high() - reading.interval().low()).isLessThan(1e-6);
    }

    @Test
    void theIntervalHasItsNominalCoverage() {
        int covered = 0;
        for (int trial = 0; trial < 40; trial++) {
            LearningCurve dense = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.3, 100 + trial);
            LearningCurve moe = Curves.noisy(COSTS, cost -> powerLaw(cost * 1.5), 0.3, 1000 + trial);
            // The chords of a power law differ from the law, so the true factor is the factor without noise.
            double truth = PairSpeedup.compare(
                            "in-domain",
                            CostMeasure.FLOPS,
                            Curves.of(COSTS, PairSpeedupTest::powerLaw, 0),
                            Curves.of(COSTS, cost -> powerLaw(cost * 1.5), 0))
                    .factor()
                    .orElseThrow();
            if (PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe)
                    .reading()
                    .orElseThrow()
                    .interval()
                    .contains(truth)) {
                covered++;
            }
        }
        assertThat(covered).isBetween(33, 40);
    }

    @Test
    void aTargetAboveTheFirstMeasuredPointIsNotExtrapolated() {
        LearningCurve dense = Curves.of(COSTS, PairSpeedupTest::powerLaw, 0.2);
        LearningCurve moe = Curves.of(COSTS, cost -> powerLaw(cost * 1000), 0.2);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe);

        assertThat(speedup.verdict()).isEqualTo(Verdict.NOT_REACHED);
        assertThat(speedup.factor()).isEmpty();
        assertThat(speedup.reading()).isEmpty();
        assertThat(speedup.atEqualCost().orElseThrow().lossDifference()).isNegative();
        assertThat(PairSpeedupText.sentence(speedup)).contains("does not show whether", "nothing is extrapolated");
        assertThat(PairSpeedupText.headline(speedup, speedup))
                .contains("; there is no factor in time either (budget ")
                .doesNotContain("undecided");
    }

    @Test
    void aDivergedRunIsNotReached() {
        LearningCurve dense = Curves.of(COSTS, PairSpeedupTest::powerLaw, 0.2);
        LearningCurve diverged = Curves.of(COSTS, cost -> 9 + cost / 1e13, 0.2);

        assertThat(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, diverged)
                        .verdict())
                .isEqualTo(Verdict.NOT_REACHED);
    }

    @Test
    void aTargetNearTheFirstPointIsNotReachedBecauseTheIntervalIsOpen() {
        // The target lies just below the mixture's first point. In many resamples it is above.
        LearningCurve dense = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.5, 6);
        double end = dense.last().loss();
        LearningCurve moe = Curves.noisy(COSTS, cost -> end + 0.005 - 0.3 * Math.log(cost / 1e12), 0.5, 7);

        assertThat(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe)
                        .verdict())
                .isEqualTo(Verdict.NOT_REACHED);
    }

    @Test
    void aNoisyPlateauIsReadAtItsFirstCrossing() {
        double[] costs = {1, 2, 4, 8, 16, 32};
        double[] losses = {5, 4, 4.3, 4.1, 3.9, 4.2};
        assertThat(PairSpeedup.costAt(costs, losses, 4.5)).isCloseTo(Math.sqrt(2), offset(1e-12));
        assertThat(PairSpeedup.costAt(costs, losses, 4.2)).isCloseTo(Math.pow(2, 0.8), offset(1e-12));
        assertThat(PairSpeedup.costAt(costs, losses, 3.95)).isCloseTo(Math.sqrt(8 * 16), offset(1e-12));
        assertThat(PairSpeedup.costAt(costs, losses, 5)).isEqualTo(1);
        assertThat(PairSpeedup.costAt(costs, losses, 5.01)).isNaN();
        assertThat(PairSpeedup.costAt(costs, losses, 3.89)).isNaN();
    }

    @Test
    void theRuleReproducesThePublishedFactors() {
        double[] dense = {0.36356, 1.05853, 3.56661, 7.07550, 17.11901, 32.67305};
        double[] densePpl = {20.64, 15.16, 12.47, 10.92, 9.81, 8.96};
        double[] moe = {0.43151, 1.30012, 4.53297, 22.273};
        double[] moePpl = {12.57, 9.58, 8.74, 6.78};
        double[] published = {7.9, 8.9, 14.4, 10.0};
        for (int i = 0; i < published.length; i++) {
            double factor = dense[i + 2] / PairSpeedup.costAt(moe, moePpl, densePpl[i + 2]);
            assertThat(factor).isCloseTo(published[i], offset(0.1));
        }
    }

    @Test
    void theSentenceStatesFactorIntervalTargetDomainBudgetAndSeeds() {
        LearningCurve dense = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.05, 8);
        LearningCurve moe = Curves.noisy(COSTS, cost -> powerLaw(cost * 1.5), 0.05, 9);
        PairSpeedup speedup = PairSpeedup.compare("out-of-domain", CostMeasure.FLOPS, dense, moe);
        assertThat(PairSpeedupText.sentence(speedup))
                .startsWith("In this run the mixture reached out-of-domain perplexity ")
                .contains("times fewer FLOPs than the dense model; undecided: one seed (")
                .contains("95 % interval over the held-out text ")
                .contains("budget 32.0 TFLOP dense and 32.0 TFLOP mixture")
                .contains("models of this size differ by ±0.1 or more between seeds")
                .endsWith(").");
    }

    /** The mixture's loss jitters: it reached 3.5 and ends at 3.7. The target is its lowest loss, not its last. */
    @Test
    void theTargetIsTheLowestLossNotTheLastOne() {
        LearningCurve dense = Curves.of(new double[] {1e12, 2e12, 4e12, 8e12}, points(5, 4, 3.6, 3.3), 0);
        LearningCurve moe = Curves.of(new double[] {1e12, 2e12, 4e12, 8e12}, points(5, 4, 3.5, 3.7), 0);

        PairSpeedup speedup = PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe);

        assertThat(speedup.targetLoss()).isEqualTo(3.5);
        assertThat(speedup.reading().orElseThrow().moeCost()).isCloseTo(4e12, within(1.0));
        assertThat(speedup.reading().orElseThrow().denseCost()).isCloseTo(4e12 * Math.pow(2, 1.0 / 3), within(1.0));
    }

    /** Losses at 1e12, 2e12, 4e12 FLOPs and so on. */
    private static DoubleUnaryOperator points(double... losses) {
        return cost -> losses[(int) Math.round(Math.log(cost / 1e12) / Math.log(2))];
    }

    @Test
    void repeatsExactly() {
        LearningCurve dense = Curves.noisy(COSTS, PairSpeedupTest::powerLaw, 0.3, 10);
        LearningCurve moe = Curves.noisy(COSTS, cost -> powerLaw(cost * 1.2), 0.3, 11);
        assertThat(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe))
                .isEqualTo(PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe));
    }

    @Test
    void rejectsDifferentWindowsAndTooFewWindows() {
        LearningCurve dense = Curves.of(COSTS, PairSpeedupTest::powerLaw, 0);
        HeldOutLoss other = HeldOutLoss.of(new double[] {300, 200}, new long[] {100, 100});
        LearningCurve moe = new LearningCurve(List.of(new LearningCurve.Point(1, 1, 1, 1, other)));
        assertThatThrownBy(() -> PairSpeedup.compare("in-domain", CostMeasure.FLOPS, dense, moe))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("same held-out windows");

        HeldOutLoss one = HeldOutLoss.of(new double[] {300}, new long[] {100});
        LearningCurve single = new LearningCurve(List.of(new LearningCurve.Point(1, 1, 1, 1, one)));
        assertThatThrownBy(() -> PairSpeedup.compare("in-domain", CostMeasure.FLOPS, single, single))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("at least two");
    }

    @Test
    void aCurveRejectsInvalidPoints() {
        HeldOutLoss loss = HeldOutLoss.of(new double[] {300, 200}, new long[] {100, 100});
        assertThat(loss.mean()).isEqualTo(2.5);
        LearningCurve.Point point = new LearningCurve.Point(10, 100, 1e9, 2, loss);
        assertThatThrownBy(() -> new LearningCurve(List.of())).hasMessageContaining("at least one point");
        assertThatThrownBy(() -> new LearningCurve(List.of(point, new LearningCurve.Point(20, 200, 1e9, 3, loss))))
                .hasMessageContaining("flops must grow");
        assertThatThrownBy(() -> new LearningCurve.Point(0, 0, 0, 0, loss)).hasMessageContaining("step");
        assertThatThrownBy(() -> new LearningCurve(List.of(
                        point,
                        new LearningCurve.Point(
                                20, 200, 2e9, 3, HeldOutLoss.of(new double[] {300}, new long[] {200})))))
                .hasMessageContaining("other windows");
        assertThatThrownBy(() -> HeldOutLoss.of(new double[] {Double.NaN}, new long[] {1}))
                .hasMessageContaining("finite");
        assertThatThrownBy(() -> HeldOutLoss.of(new double[] {1}, new long[] {0}))
                .hasMessageContaining("at least one token");
        assertThatThrownBy(() -> HeldOutLoss.of(new double[] {1, 2}, new long[] {1}))
                .hasMessageContaining("2 losses for 1 windows");
    }

    @Test
    void formatsNumbersForPeople() {
        assertThat(Numbers.si(35.94e12)).isEqualTo("35.9 T");
        assertThat(Numbers.si(999.6)).isEqualTo("1.00 k");
        assertThat(Numbers.si(12)).isEqualTo("12.0 ");
        assertThat(Numbers.significant(12345, 3)).isEqualTo("12300");
        assertThat(Numbers.significant(0.012345, 3)).isEqualTo("0.0123");
        assertThat(Numbers.fixed(0.996, 2)).isEqualTo("1.00");
    }

    /** Loss at a cost. */
    private static double powerLaw(double cost) {
        return 2 + 3 * Math.pow(cost / 1e12, -0.3);
    }

    private static double[] times(double factor, double[] values) {
        return Arrays.stream(values).map(value -> factor * value).toArray();
    }
}
