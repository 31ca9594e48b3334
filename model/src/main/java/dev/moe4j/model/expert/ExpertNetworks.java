package dev.moe4j.model.expert;

import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** fc2(mask · activation(fc1(x))) by each expert on its rows. Every implementation gives the same numbers. */
public sealed interface ExpertNetworks permits ExpertNetworks.ByProducts, BlockedExperts {

    /** Stacked over experts: fc1 [experts, ffn, model] and [experts, ffn], fc2 [experts, model, ffn] and [experts, model]. */
    record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {

        public List<Parameter> all() {
            return List.of(fc1Weight, fc1Bias, fc2Weight, fc2Bias);
        }

        /** The width inside an expert. */
        long ffn() {
            return fc1Bias.tensor().size(1);
        }
    }

    /**
     * What a forward pass computes.
     *
     * @param inner_RF fc1's result
     * @param active_RF what the activation and the mask make of it
     * @param y_RD fc2's result
     */
    record Passed(Tensor inner_RF, Tensor active_RF, Tensor y_RD) {}

    /** The usual way on the weights' device. */
    static ExpertNetworks of(Weights weights, Activation activation, ExpertRows rows) {
        Parameter fc1Weight = weights.fc1Weight();
        return fc1Weight.tensor().device().isCuda()
                ? new ByProducts(weights, activation, ExpertProducts.of(rows, fc1Weight))
                : new BlockedExperts(weights, activation, rows);
    }

    Weights weights();

    Activation activation();

    /**
     * The experts' results and what backward needs.
     *
     * @param x_RD {@code [rows, model]}
     * @param mask_RF what activations are multiplied by, null for nothing
     */
    Passed forward(Tensor x_RD, @Nullable Tensor mask_RF);

    /**
     * The gradient of x; adds those of the weights.
     *
     * @param gradient_RD of the results
     * @param inner_RF and {@code active_RF}: those of {@link #forward}
     */
    Tensor backward(Tensor gradient_RD, Tensor x_RD, Tensor inner_RF, Tensor active_RF, @Nullable Tensor mask_RF);

    /** {@link Passed#active_RF} again. */
    default Tensor active(Tensor inner_RF, @Nullable Tensor mask_RF) {
        return Dropout.multiply(activation().forward(inner_RF), mask_RF);
    }

    /** One step after the other for all experts, by one of the ways to compute their products. */
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
