package dev.moe4j.train;

import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.train.config.WatchConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/** Adds up what each layer's experts received, and says at the end of each window where that is amiss. */
final class ExpertWatch {

    private static final int MOST_NAMED = 5;

    private final WatchConfig config;
    private final Map<Integer, double[]> loads = new TreeMap<>();
    private int steps;

    ExpertWatch(WatchConfig config) {
        this.config = config;
    }

    /** Takes a step's report and returns what there is to warn of: nothing but at the end of a window. */
    List<String> step(List<LayerRouting> routing) {
        if (config.window() == 0 || routing.isEmpty()) {
            return List.of();
        }
        for (LayerRouting layer : routing) {
            double[] now = layer.statistics().load();
            double[] sum = loads.computeIfAbsent(layer.layer(), _ -> new double[now.length]);
            Arrays.setAll(sum, expert -> sum[expert] + now[expert]);
        }
        steps++;
        if (steps < config.window()) {
            return List.of();
        }
        List<String> warnings = new ArrayList<>();
        loads.forEach((layer, sums) -> {
            Arrays.setAll(sums, expert -> sums[expert] / steps);
            warn(layer, sums, warnings);
        });
        loads.clear();
        steps = 0;
        return warnings;
    }

    private void warn(int layer, double[] shares, List<String> warnings) {
        List<Integer> dead = IntStream.range(0, shares.length)
                .filter(expert -> shares[expert] == 0)
                .boxed()
                .toList();
        if (!dead.isEmpty()) {
            warnings.add("layer %d: %d of %d experts took no token in the last %d steps (%s)"
                    .formatted(layer, dead.size(), shares.length, config.window(), named(dead)));
        }
        double most = Arrays.stream(shares).max().orElse(0);
        if (config.imbalance() > 0 && most > config.imbalance()) {
            int busiest = IntStream.range(0, shares.length)
                    .filter(expert -> shares[expert] == most)
                    .findFirst()
                    .orElseThrow();
            warnings.add("layer %d: expert %d took %.1f times an even share of the last %d steps' tokens"
                    .formatted(layer, busiest, most, config.window()));
        }
    }

    private static String named(List<Integer> experts) {
        return experts.stream().limit(MOST_NAMED).map(String::valueOf).collect(Collectors.joining(", "))
                + (experts.size() > MOST_NAMED ? ", …" : "");
    }
}
