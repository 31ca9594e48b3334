package dev.moe4j.model.expert;

import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The feed-forward networks of the experts: fc2(mask · activation(fc1(x))) by each expert on its rows. All
 * implementations compute the same function.
 */
public sealed interface ExpertNetworks permits ExpertNetworks.ByProducts, BlockedExperts {

    /**
     * Stacked over experts: fc1 [experts, ffn, model] and [experts, ffn], fc2 [experts, model, ffn] and [experts,
     * model]. If the networks are gated, fc1 has twice the rows, with all gates first. Both biases are null without.
     */
    record Weights(
            Parameter fc1Weight,
            @Nullable Parameter fc1Bias,
            Parameter fc2Weight,
            @Nullable Parameter fc2Bias) {

        /** The weights of the MoE layer whose parameters have names that start with {@code prefix}. */
        public static Weights of(ModelConfig config, String prefix, Parameters parameters) {
            boolean bias = config.feedForward().bias();
            return new Weights(
                    parameters.get(prefix + "experts.fc1.weight"),
                    bias ? parameters.get(prefix + "experts.fc1.bias") : null,
                    parameters.get(prefix + "experts.fc2.weight"),
                    bias ? parameters.get(prefix + "experts.fc2.bias") : null);
        }

        public List<Parameter> all() {
            return Stream.of(fc1Weight, fc1Bias, fc2Weight, fc2Bias)
                    .flatMap(Stream::ofNullable)
                    .toList();
        }

        /** The inner width of an expert. */
        long ffn() {
            return fc2Weight.spec().shape().get(2);
        }
    }

    /**
     * The results of a forward pass.
     *
     * @param inner the output of fc1, {@code [rows, ffn]}, or {@code [rows, 2 · ffn]} if gated
     * @param active_RF the output of activation and mask
     * @param y_RD the output of fc2
     */
    record Passed(Tensor inner, Tensor active_RF, Tensor y_RD) {}

    /** The default implementation for the weights' device. */
    static ExpertNetworks of(Weights weights, InnerActivation activation, ExpertRows rows) {
        Parameter fc1Weight = weights.fc1Weight();
        return fc1Weight.tensor().device().isCuda()
                ? new ByProducts(weights, activation, ExpertProducts.of(rows, fc1Weight))
                : new BlockedExperts(weights, activation, rows);
    }

    Weights weights();

    InnerActivation activation();

    /**
     * The experts' outputs, and the values that backward needs.
     *
     * @param x_RD {@code [rows, model]}
     * @param mask_RF the factors of the activations, null for none
     */
    Passed forward(Tensor x_RD, @Nullable Tensor mask_RF);

    /**
     * Returns the gradient of x, and adds the gradients of the weights.
     *
     * @param gradient_RD the gradient of the output
     * @param inner the output of fc1 in {@link #forward}
     * @param active_RF the output of activation and mask in {@link #forward}
     */
    Tensor backward(Tensor gradient_RD, Tensor x_RD, Tensor inner, Tensor active_RF, @Nullable Tensor mask_RF);

    /** Recomputes {@link Passed#active_RF}. */
    default Tensor active(Tensor inner, @Nullable Tensor mask_RF) {
        return Dropout.multiply(activation().forward(inner), mask_RF);
    }

    /** Computes each step, such as the product with fc1, for all experts before the next step. */
    record ByProducts(Weights weights, InnerActivation activation, ExpertProducts products) implements ExpertNetworks {

        @Override
        public Passed forward(Tensor x_RD, @Nullable Tensor mask_RF) {
            Tensor inner = products.forward(x_RD, weights.fc1Weight().tensor());
            Tensor active_RF =
                    Dropout.multiply(products.activate(inner, tensor(weights.fc1Bias()), activation), mask_RF);
            Tensor y_RD = products.forward(active_RF, weights.fc2Weight().tensor());
            Tensor bias = tensor(weights.fc2Bias());
            if (bias != null) {
                products.addBias(y_RD, bias);
            }
            return new Passed(inner, active_RF, y_RD);
        }

        @Override
        public Tensor backward(
                Tensor gradient_RD, Tensor x_RD, Tensor inner, Tensor active_RF, @Nullable Tensor mask_RF) {
            products.weightGradient(gradient_RD, active_RF, weights.fc2Weight());
            biasGradient(gradient_RD, weights.fc2Bias());
            Tensor activeGradient_RF = Dropout.multiply(
                    products.backward(gradient_RD, weights.fc2Weight().tensor()), mask_RF);
            Tensor innerGradient = products.activationBackward(activeGradient_RF, inner, activation);
            products.weightGradient(innerGradient, x_RD, weights.fc1Weight());
            biasGradient(innerGradient, weights.fc1Bias());
            return products.backward(innerGradient, weights.fc1Weight().tensor());
        }

        private void biasGradient(Tensor gradient, @Nullable Parameter bias) {
            if (bias != null) {
                products.biasGradient(gradient, bias);
            }
        }

        private static @Nullable Tensor tensor(@Nullable Parameter parameter) {
            return parameter == null ? null : parameter.tensor();
        }
    }
}
