package dev.moe4j.model.expert;

import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The feed-forward networks of the experts: fc2(mask · activation(fc1(x))) by each expert on its rows. All
 * implementations compute the same function.
 */
public sealed interface ExpertNetworks permits ExpertNetworks.ByProducts, BlockedExperts {

    /**
     * Stacked over experts: fc1 [experts, ffn, model] and [experts, ffn], fc2 [experts, model, ffn] and [experts,
     * model].
     */
    record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {

        public List<Parameter> all() {
            return List.of(fc1Weight, fc1Bias, fc2Weight, fc2Bias);
        }

        /** The inner width of an expert. */
        long ffn() {
            return fc1Bias.tensor().size(1);
        }
    }

    /**
     * The results of a forward pass.
     *
     * @param inner_RF the output of fc1
     * @param active_RF the output of activation and mask
     * @param y_RD the output of fc2
     */
    record Passed(Tensor inner_RF, Tensor active_RF, Tensor y_RD) {}

    /** The default implementation for the weights' device. */
    static ExpertNetworks of(Weights weights, Activation activation, ExpertRows rows) {
        Parameter fc1Weight = weights.fc1Weight();
        return fc1Weight.tensor().device().isCuda()
                ? new ByProducts(weights, activation, ExpertProducts.of(rows, fc1Weight))
                : new BlockedExperts(weights, activation, rows);
    }

    Weights weights();

    Activation activation();

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
     * @param inner_RF the output of fc1 in {@link #forward}
     * @param active_RF the output of activation and mask in {@link #forward}
     */
    Tensor backward(Tensor gradient_RD, Tensor x_RD, Tensor inner_RF, Tensor active_RF, @Nullable Tensor mask_RF);

    /** Recomputes {@link Passed#active_RF}. */
    default Tensor active(Tensor inner_RF, @Nullable Tensor mask_RF) {
        return Dropout.multiply(activation().forward(inner_RF), mask_RF);
    }

    /** Runs each step for all experts before the next step, with the given implementation of products. */
    record ByProducts(Weights weights, Activation activation, ExpertProducts products) implements ExpertNetworks {

        @Override
        public Passed forward(Tensor x_RD, @Nullable Tensor mask_RF) {
            Tensor inner_RF = products.forward(x_RD, weights.fc1Weight().tensor());
            Tensor active_RF = Dropout.multiply(
                    products.activate(inner_RF, weights.fc1Bias().tensor(), activation), mask_RF);
            Tensor y_RD = products.forward(active_RF, weights.fc2Weight().tensor());
            products.addBias(y_RD, weights.fc2Bias().tensor());
            return new Passed(inner_RF, active_RF, y_RD);
        }

        @Override
        public Tensor backward(
                Tensor gradient_RD, Tensor x_RD, Tensor inner_RF, Tensor active_RF, @Nullable Tensor mask_RF) {
            products.weightGradient(gradient_RD, active_RF, weights.fc2Weight());
            products.biasGradient(gradient_RD, weights.fc2Bias());
            Tensor activeGradient_RF = Dropout.multiply(
                    products.backward(gradient_RD, weights.fc2Weight().tensor()), mask_RF);
            Tensor innerGradient_RF = products.activationBackward(activeGradient_RF, inner_RF, activation);
            products.weightGradient(innerGradient_RF, x_RD, weights.fc1Weight());
            products.biasGradient(innerGradient_RF, weights.fc1Bias());
            return products.backward(innerGradient_RF, weights.fc1Weight().tensor());
        }
    }
}
