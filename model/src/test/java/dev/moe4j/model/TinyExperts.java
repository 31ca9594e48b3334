package dev.moe4j.model;

import dev.moe4j.model.block.Initializations;
import dev.moe4j.model.expert.ExpertNetworks;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.tensor.parameter.ShardSpec;
import dev.moe4j.tensor.parameter.ShardSync;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Expert parameters for tests, without a model. */
public final class TinyExperts {

    private TinyExperts() {}

    /** Adds expert parameters to otherwise empty parameters, and fills them from a fixed key. */
    public static ExpertNetworks.Weights weights(Parameters parameters, int experts, int width, int ffn) {
        return weights(parameters, experts, width, ffn, ShardSpec.WHOLE);
    }

    /**
     * Weights of experts.
     *
     * @param gated whether fc1 has a gate and a value for each inner element; such experts have no biases
     */
    public static ExpertNetworks.Weights weights(
            Parameters parameters, int experts, int width, int ffn, boolean gated) {
        if (!gated) {
            return weights(parameters, experts, width, ffn);
        }
        parameters.add(
                "experts",
                List.of(
                        spec("fc1.weight", width, experts, 2L * ffn, width),
                        spec("fc2.weight", width, experts, width, ffn)));
        parameters.initialize(new RandomKey(1));
        return new ExpertNetworks.Weights(parameters.get("fc1.weight"), null, parameters.get("fc2.weight"), null);
    }

    /** As the other, for a process that keeps a shard. */
    public static ExpertNetworks.Weights weights(
            Parameters parameters, int experts, int width, int ffn, ShardSpec share) {
        parameters.add(
                "experts",
                List.of(
                        spec("fc1.weight", width, experts, ffn, width),
                        spec("fc1.bias", width, experts, ffn),
                        spec("fc2.weight", width, experts, width, ffn),
                        spec("fc2.bias", width, experts, width)),
                parameters.precision(),
                share,
                ShardSync.NONE);
        parameters.initialize(new RandomKey(1));
        return new ExpertNetworks.Weights(
                parameters.get("fc1.weight"),
                parameters.get("fc1.bias"),
                parameters.get("fc2.weight"),
                parameters.get("fc2.bias"));
    }

    private static Parameter.Spec spec(String name, int width, long... shape) {
        return Parameter.Spec.ofEqualParts(
                name,
                Arrays.stream(shape).boxed().toList(),
                IntStream.range(0, (int) shape[0]).mapToObj(e -> name + e).toList(),
                true,
                Initializations.fanIn(width),
                true);
    }
}
