package dev.moe4j.report.pair;

import dev.moe4j.base.text.Numbers;
import dev.moe4j.report.statistics.CostMeasure;
import dev.moe4j.report.statistics.Verdict;

/** Puts a {@link PairSpeedup} into words. */
public final class PairSpeedupText {

    /** Typical difference of the factor between seeds, measured with the quickstart's models of width 64. */
    static final double SEED_SPREAD = 0.1;

    private PairSpeedupText() {}

    /** The comparison in one sentence, with interval, budgets and limits in brackets at the end. */
    static String sentence(PairSpeedup speedup) {
        String interval =
                speedup.reading().map(reading -> interval("", range(reading))).orElse("");
        return finding(speedup) + verdict(speedup) + " (" + interval + limits(speedup);
    }

    /** The comparison in FLOPs and in time in one sentence. The two factors may differ. */
    public static String headline(PairSpeedup flops, PairSpeedup seconds) {
        String time = seconds.reading()
                .map(reading -> "; in time the speedup factor is " + Numbers.fixed(reading.factor(), 2))
                .orElse(
                        flops.reading().isPresent()
                                ? "; in time there is no factor"
                                : "; there is no factor in time either");
        String intervals = "";
        if (flops.reading().isPresent() && seconds.reading().isPresent()) {
            intervals = interval(
                    "",
                    range(flops.reading().get()) + ", in time "
                            + range(seconds.reading().get()));
        } else if (flops.reading().isPresent()) {
            intervals = interval("", range(flops.reading().get()));
        } else if (seconds.reading().isPresent()) {
            intervals = interval("in time ", range(seconds.reading().get()));
        }
        String verdict = verdict(flops).isEmpty() ? verdict(seconds) : verdict(flops);
        return finding(flops) + time + verdict + " (" + intervals + limits(flops);
    }

    private static String finding(PairSpeedup speedup) {
        String perplexity = speedup.domain() + " perplexity " + Numbers.significant(speedup.targetPerplexity(), 3);
        CostMeasure cost = speedup.cost();
        if (speedup.verdict() == Verdict.NOT_REACHED) {
            return "This run does not show whether the mixture pays in " + cost.label()
                    + ": the two curves do not both safely enclose " + perplexity
                    + ", the best that both reached, and nothing is extrapolated";
        }
        double factor = speedup.factor().orElseThrow();
        return factor >= 1
                ? "In this run the mixture reached " + perplexity + " with " + cost.less(factor)
                        + " than the dense model"
                : "In this run the dense model reached " + perplexity + " with " + cost.less(1 / factor)
                        + " than the mixture, a speedup factor of " + Numbers.fixed(factor, 2);
    }

    private static String verdict(PairSpeedup speedup) {
        return speedup.reading().isPresent() ? "; " + speedup.verdict().words() : "";
    }

    private static String interval(String cost, String range) {
        return "95 % interval over the held-out text " + cost + range + "; ";
    }

    private static String range(PairSpeedup.Reading reading) {
        return Numbers.fixed(reading.interval().low(), 2) + " to "
                + Numbers.fixed(reading.interval().high(), 2);
    }

    private static String limits(PairSpeedup speedup) {
        CostMeasure cost = speedup.cost();
        return "budget " + cost.format(speedup.denseBudget()) + " dense and " + cost.format(speedup.moeBudget())
                + " mixture; factors of models of this size differ by ±" + Numbers.fixed(SEED_SPREAD, 1)
                + " or more between seeds).";
    }
}
