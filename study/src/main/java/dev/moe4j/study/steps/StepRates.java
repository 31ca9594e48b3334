package dev.moe4j.study.steps;

import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** How fast steps of each kind go, for the time that is left. */
public final class StepRates {

    /** Sums over finished steps. */
    private record Seen(double work, double seconds) {}

    private final Map<Step.Kind, Seen> seen = new EnumMap<>(Step.Kind.class);

    public void add(Step step, double seconds) {
        seen.merge(
                step.kind(),
                new Seen(step.work(), seconds),
                (a, b) -> new Seen(a.work + b.work, a.seconds + b.seconds));
    }

    /** Of the steps whose kind has been seen, or runs and says how far it is; null where there is no such step. */
    @Nullable
    public Duration left(List<Step> waiting, List<RunningStep> running, int parallel) {
        Map<Step.Kind, Seen> rates = new EnumMap<>(seen);
        for (RunningStep each : running) {
            double seconds = each.secondsInAll();
            if (!Double.isNaN(seconds) && !seen.containsKey(each.step().kind())) {
                rates.put(each.step().kind(), new Seen(each.step().work(), seconds));
            }
        }
        double seconds = 0;
        boolean known = false;
        for (RunningStep each : running) {
            Seen rate = rates.get(each.step().kind());
            if (rate != null) {
                double share = Double.isNaN(each.share()) ? 0 : each.share();
                seconds += (1 - share) * each.step().work() * rate.seconds / rate.work;
                known = true;
            }
        }
        for (Step step : waiting) {
            Seen rate = rates.get(step.kind());
            if (rate != null) {
                seconds += step.work() * rate.seconds / rate.work;
                known = true;
            }
        }
        return known ? Duration.ofMillis((long) (1000 * seconds / parallel)) : null;
    }
}
