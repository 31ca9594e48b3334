package dev.moe4j.study.steps;

import java.time.Duration;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Estimates the remaining time of a study from the speed of finished steps of each kind. */
public final class StepRates {

    /** Work and seconds, summed over finished steps of one kind. */
    private record Rate(double work, double seconds) {}

    private final Map<Step.Kind, Rate> finished = new EnumMap<>(Step.Kind.class);

    /** Adds a finished step. */
    public void add(Step step, double seconds) {
        finished.merge(
                step.kind(),
                new Rate(step.work(), seconds),
                (a, b) -> new Rate(a.work + b.work, a.seconds + b.seconds));
    }

    /**
     * The estimated remaining time. Steps of a kind whose speed is not known yet count as 0.
     *
     * @param waiting steps that have not started
     * @param running steps that are running; their progress gives a speed if none of their kind has finished
     * @param parallel number of steps that run in parallel
     * @return null if no speed is known
     */
    @Nullable
    public Duration timeLeft(List<Step> waiting, List<RunningStep> running, int parallel) {
        Map<Step.Kind, Rate> rates = new EnumMap<>(finished);
        for (RunningStep each : running) {
            double seconds = each.estimatedSeconds();
            if (!Double.isNaN(seconds) && !finished.containsKey(each.step().kind())) {
                rates.put(each.step().kind(), new Rate(each.step().work(), seconds));
            }
        }
        double seconds = 0;
        boolean known = false;
        for (RunningStep each : running) {
            Rate rate = rates.get(each.step().kind());
            if (rate != null) {
                double done = Double.isNaN(each.fractionDone()) ? 0 : each.fractionDone();
                seconds += (1 - done) * each.step().work() * rate.seconds / rate.work;
                known = true;
            }
        }
        for (Step step : waiting) {
            Rate rate = rates.get(step.kind());
            if (rate != null) {
                seconds += step.work() * rate.seconds / rate.work;
                known = true;
            }
        }
        return known ? Duration.ofMillis((long) (1000 * seconds / parallel)) : null;
    }
}
