package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Golden;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.train.metrics.StepResult;
import java.util.Locale;
import java.util.TreeMap;
import tools.jackson.databind.JsonNode;

/** Shared code of the golden training runs: the initial model and the comparison of metrics. */
final class PublishedRun {

    private static final TreeMap<String, Double> WORST = new TreeMap<>();

    private PublishedRun() {}

    /**
     * Builds the model of the golden weights, with the published gating.
     *
     * @param config the run's configuration with the names top, gate_weight, gate_combine, batch_prioritized_routing
     *     and normalize_gate_prob_before_dropping; missing keys have the paper's values
     */
    static Architecture architecture(Golden.Case golden, int context, JsonNode config) {
        Golden.Tensors weights = golden.weights();
        JsonNode lm = Golden.open().json("lm");
        int layers = 0;
        while (weights.has("decoder.layers." + layers + ".final_layer_norm.weight")) {
            layers++;
        }
        int every = 1;
        while (!weights.has("decoder.layers." + (every - 1) + ".moe_layer.gate.wg.weight")) {
            every++;
        }
        String moe = "decoder.layers." + (every - 1) + ".moe_layer.";
        long[] embedding = weights.shape("decoder.embed_tokens.weight");
        int expertFfn = (int) weights.shape(moe + "experts.0.fc1.weight")[0];
        String dense = "decoder.layers.0.fc1.weight";
        ModelConfig model = new ModelConfig(
                layers,
                (int) embedding[1],
                lm.path("heads").asInt(4),
                weights.has(dense) ? (int) weights.shape(dense)[0] : expertFfn,
                (int) embedding[0],
                context,
                Activation.GELU,
                0,
                0,
                lm.path("pad").asInt(1),
                (int) weights.shape(moe + "gate.wg.weight")[0],
                every,
                expertFfn,
                0);
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                config.path("top").asInt(2),
                0,
                1,
                -1,
                config.path("normalize_gate_prob_before_dropping").asBoolean(false),
                RoutingConfig.SecondExpert.ALL,
                config.path("batch_prioritized_routing").asBoolean(false),
                false);
        BalanceConfig balance = new BalanceConfig(
                config.path("gate_weight").asDouble(0.01),
                BalanceConfig.Scope.GROUP,
                config.path("gate_combine").asString("average").equals("sum")
                        ? BalanceConfig.Combine.SUM
                        : BalanceConfig.Combine.MEAN,
                0);
        return new Architecture(model, routing, balance);
    }

    /**
     * Runs with one thread. These products are too small to gain from more threads. On shared cores, OpenBLAS's float64
     * threads would wait for each other ten times as long as they compute.
     */
    static void onOneThread(Runnable check) {
        int threads = Libtorch.threads();
        Libtorch.threads(1);
        try {
            check.run();
        } finally {
            Libtorch.threads(threads);
        }
    }

    /** The load balancing loss, combined over layers as the run does. */
    static double balance(Architecture architecture, StepResult result) {
        return architecture.balance().combine() == BalanceConfig.Combine.SUM
                ? result.balance() * architecture.model().moeLayers()
                : result.balance();
    }

    /** Compares two values relatively and records the largest difference of this kind. */
    static void close(String kind, int step, double actual, double expected, double bound) {
        double difference = Math.abs(actual - expected) / Math.abs(expected);
        synchronized (WORST) {
            WORST.merge(kind, difference, Math::max);
        }
        assertThat(difference)
                .as("%s of step %d: %s, golden %s", kind, step, actual, expected)
                .isLessThanOrEqualTo(bound);
    }

    /** The largest differences, printed for information. */
    static void print(String family) {
        synchronized (WORST) {
            WORST.forEach((kind, worst) -> {
                if (kind.startsWith(family)) {
                    System.out.printf(Locale.ROOT, "largest difference, %s: %.1e%n", kind, worst);
                }
            });
        }
    }
}
