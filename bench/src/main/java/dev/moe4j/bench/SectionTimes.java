package dev.moe4j.bench;

import dev.moe4j.tensor.autograd.Tape;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Sums times by kind of section: {@code layers.3.attention} counts as {@code attention}. */
final class SectionTimes implements Tape.Timer {

    private final Map<String, long[]> nanoseconds = new LinkedHashMap<>();

    @Override
    public void forward(String section, long time) {
        nanoseconds.computeIfAbsent(kind(section), _ -> new long[2])[0] += time;
    }

    @Override
    public void backward(String section, long time) {
        nanoseconds.computeIfAbsent(kind(section), _ -> new long[2])[1] += time;
    }

    private static String kind(String section) {
        return section.substring(section.lastIndexOf('.') + 1);
    }

    /** Forward time of all sections. */
    double forwardSeconds() {
        return nanoseconds.values().stream().mapToLong(sum -> sum[0]).sum() / 1e9;
    }

    /** Times per step, with their lower bounds. */
    List<SectionTime> perStep(int steps, SectionFloors floors) {
        List<SectionTime> times = new ArrayList<>();
        nanoseconds.forEach((name, sum) -> times.add(
                new SectionTime(name, sum[0] / 1e6 / steps, sum[1] / 1e6 / steps, floors.milliseconds(name))));
        return times;
    }
}
