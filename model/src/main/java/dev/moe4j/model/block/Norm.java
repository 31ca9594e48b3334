package dev.moe4j.model.block;

import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.List;

/** A norm over the last dimension of rows, with its parameters. */
public sealed interface Norm permits LayerNorm, RmsNorm {

    /**
     * The specifications of a norm's parameters.
     *
     * @param prefix the name before {@code .weight} and {@code .bias}
     */
    static List<Parameter.Spec> specs(NormConfig config, String prefix, int width) {
        return switch (config.kind()) {
            case LAYER -> LayerNorm.specs(prefix, width);
            case RMS -> RmsNorm.specs(prefix, width);
        };
    }

    /** The norm of the given name. */
    static Norm of(NormConfig config, String prefix, Parameters parameters) {
        return switch (config.kind()) {
            case LAYER ->
                new LayerNorm(parameters.get(prefix + ".weight"), parameters.get(prefix + ".bias"), config.epsilon());
            case RMS -> new RmsNorm(parameters.get(prefix + ".weight"), config.epsilon());
        };
    }

    List<Parameter> parameters();

    /** The normalised rows {@code [rows, width]}. libtorch can derive the backward pass. */
    Tensor forward(Tensor x_ND);

    /**
     * Normalised rows.
     *
     * @param y_ND the normalised rows
     * @param statistics numbers per row that {@link #backward} needs
     */
    record Normed(Tensor y_ND, Tensor... statistics) {}

    /** The normalised rows with their statistics. */
    Normed forwardWithStatistics(Tensor x_ND);

    /**
     * Returns the gradient of the rows, and adds the gradients of the parameters.
     *
     * @param gradient_ND the gradient of the normalised rows
     * @param statistics the statistics of {@link #forwardWithStatistics}
     */
    Tensor backward(Tensor gradient_ND, Tensor x_ND, Tensor... statistics);

    /** The number of statistics. */
    int statistics();
}
