package dev.moe4j.study;

/** A {@link Speedup} in plain English. */
final class SpeedupWords {

    private SpeedupWords() {}

    /** The comparison in one sentence; its limits stand in brackets at the end. */
    static String sentence(Speedup speedup) {
        String interval = speedup.reading()
                .map(reading -> "95 % interval " + range(reading) + "; ")
                .orElse("");
        String caution = seedMayDecide(speedup) ? ", enough to reverse this result" : "";
        return finding(speedup) + " (" + interval + limits(speedup, caution);
    }

    /** The same with the time beside the FLOPs, which need not agree. */
    static String headline(Speedup flops, Speedup seconds) {
        String time = switch (seconds.verdict()) {
            case MIXTURE_PAYS -> "in time the mixture pays";
            case DENSE_PAYS -> "in time the dense model pays";
            case NO_DIFFERENCE -> "in time this run shows no difference";
            case NOT_REACHED ->
                flops.reading().isPresent() ? "in time it cannot be told" : "nor can it be told in time";
        };
        String factor = seconds.reading()
                .map(reading -> ", at a factor of " + Numbers.fixed(reading.factor(), 2))
                .orElse("");
        String intervals = "";
        if (flops.reading().isPresent() && seconds.reading().isPresent()) {
            intervals = "95 % intervals " + range(flops.reading().get()) + " and "
                    + range(seconds.reading().get()) + "; ";
        } else if (flops.reading().isPresent()) {
            intervals = "95 % interval " + range(flops.reading().get()) + "; ";
        } else if (seconds.reading().isPresent()) {
            intervals = "95 % interval in time " + range(seconds.reading().get()) + "; ";
        }
        String caution = seedMayDecide(flops)
                ? ", enough to reverse this result"
                : seedMayDecide(seconds) ? ", enough to reverse the result in time" : "";
        return finding(flops) + "; " + time + factor + " (" + intervals + limits(flops, caution);
    }

    private static String finding(Speedup speedup) {
        String perplexity = speedup.domain() + " perplexity " + Numbers.significant(speedup.targetPerplexity(), 3);
        CostMeasure cost = speedup.cost();
        double factor = speedup.factor().orElse(Double.NaN);
        return switch (speedup.verdict()) {
            case MIXTURE_PAYS ->
                "The mixture pays in " + cost.label() + ": it reached " + perplexity + " with " + cost.less(factor)
                        + " than the dense model";
            case DENSE_PAYS ->
                "The dense model pays in " + cost.label() + ": it reached " + perplexity + " with "
                        + cost.less(1 / factor) + " than the mixture, a speedup factor of " + Numbers.fixed(factor, 2);
            case NO_DIFFERENCE ->
                "This run shows no difference in " + cost.label() + ": at " + perplexity
                        + " the mixture's speedup factor is " + Numbers.fixed(factor, 2);
            case NOT_REACHED ->
                "Whether the mixture pays in " + cost.label() + " cannot be told from this run: the two curves do not"
                        + " both safely enclose " + perplexity + ", the worse of their final results, and nothing is"
                        + " extrapolated";
        };
    }

    private static String range(Speedup.Reading reading) {
        return Numbers.fixed(reading.interval().low(), 2) + " to "
                + Numbers.fixed(reading.interval().high(), 2);
    }

    /** Whether the models are told apart by less than seeds differ. */
    private static boolean seedMayDecide(Speedup speedup) {
        return (speedup.verdict() == Verdict.MIXTURE_PAYS || speedup.verdict() == Verdict.DENSE_PAYS)
                && Math.abs(speedup.factor().orElseThrow() - 1) < Speedup.SEED_SPREAD;
    }

    private static String limits(Speedup speedup, String caution) {
        CostMeasure cost = speedup.cost();
        return "budget " + cost.format(speedup.denseBudget()) + " dense and " + cost.format(speedup.moeBudget())
                + " mixture; one seed each: "
                + (speedup.reading().isPresent() ? "the interval covers the held-out text, not the seed, and " : "")
                + "seeds at this size differ by ±" + Numbers.fixed(Speedup.SEED_SPREAD, 1) + " or more" + caution
                + ").";
    }
}
