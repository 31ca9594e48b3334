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

/** Monitors the load of each layer's experts and returns warnings at the end of each window of steps. */
final class ExpertLoadMonitor {

    private static final int MAX_NAMED = 5;

    private final WatchConfig config;
    private final Map<Integer, double[]> loads = new TreeMap<>();
    private int steps;

    ExpertLoadMonitor(WatchConfig config) {
        this.config = config;
    }

    /**
     * Adds the routing statistics of one step.
     *
     * @return warnings about unused or overloaded experts; always empty before the end of a window
     */
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
            warnings.add("layer %d: %d of %d experts received no token in the last %d steps (%s)"
                    .formatted(layer, dead.size(), shares.length, config.window(), named(dead)));
        }
        double most = Arrays.stream(shares).max().orElse(0);
        if (config.imbalance() > 0 && most > config.imbalance()) {
            int busiest = IntStream.range(0, shares.length)
                    .filter(expert -> shares[expert] == most)
                    .findFirst()
                    .orElseThrow();
            warnings.add("layer %d: expert %d received %.1f times an even share of the tokens of the last %d steps"
                    .formatted(layer, busiest, most, config.window()));
        }
    }

    private static String named(List<Integer> experts) {
        return experts.stream().limit(MAX_NAMED).map(String::valueOf).collect(Collectors.joining(", "))
                + (experts.size() > MAX_NAMED ? ", …" : "");
    }
}
