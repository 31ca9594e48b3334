package dev.moe4j.model;

import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Saved;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * fc2(dropout(activation(fc1(x)))) by each expert on its rows [rows, model]. What is dropped is drawn for each token's
 * choices, so that it does not depend on the rows in which they stand.
 *
 * @param productsOf gives the products over the rows, for weights {@code [experts, out, in]}
 * @param lean whether only fc1's result is saved, from which backward computes the rest again
 */
record ExpertsSection(
        String name,
        Weights weights,
        Activation activation,
        Dropout activationDropout,
        Function<Tensor, ExpertProducts> productsOf,
        Choices choices,
        boolean lean)
        implements Section.Written {

    /**
     * What dropout is drawn for.
     *
     * @param of_R the choice in each row, int64; any where a row is empty
     * @param count choices of all sequences that dropout knows
     */
    record Choices(Tensor of_R, long count) {

        /** Those of some of the rows. */
        Choices rows(Tensor rows_H) {
            return new Choices(of_R.indexSelect(0, rows_H), count);
        }
    }

    /** Stacked over experts: fc1 [experts, ffn, model] and [experts, ffn], fc2 [experts, model, ffn] and [experts, model]. */
    record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {

        List<Parameter> all() {
            return List.of(fc1Weight, fc1Bias, fc2Weight, fc2Bias);
        }
    }

    @Override
    public List<Parameter> parameters() {
        return weights.all();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor x_RD = inputs[0];
        ExpertProducts products = products();
        Tensor inner_RF = products.forward(x_RD, weights.fc1Weight().tensor());
        Tensor active_RF = products.activate(inner_RF, weights.fc1Bias().tensor(), activation);
        Tensor mask_RF = mask(inner_RF);
        if (mask_RF != null) {
            active_RF.mulInPlace(mask_RF);
        }
        Tensor y_RD = products.forward(active_RF, weights.fc2Weight().tensor());
        products.addBias(y_RD, weights.fc2Bias().tensor());
        saved.save(inner_RF);
        if (!lean) {
            saved.save(active_RF, mask_RF);
        }
        return new Tensor[] {y_RD};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_RD = gradients[0];
        if (gradient_RD == null) {
            return new @Nullable Tensor[1];
        }
        Tensor inner_RF = saved.get(0);
        Tensor mask_RF = lean ? mask(inner_RF) : saved.find(2);
        Tensor active_RF = lean ? active(inner_RF, mask_RF) : saved.get(1);
        ExpertProducts products = products();
        products.weightGradient(gradient_RD, active_RF, weights.fc2Weight());
        products.biasGradient(gradient_RD, weights.fc2Bias());
        Tensor activeGradient_RF =
                products.backward(gradient_RD, weights.fc2Weight().tensor());
        if (mask_RF != null) {
            activeGradient_RF.mulInPlace(mask_RF);
        }
        Tensor innerGradient_RF = products.activationBackward(activeGradient_RF, inner_RF, activation);
        products.weightGradient(innerGradient_RF, saved.input(0), weights.fc1Weight());
        products.biasGradient(innerGradient_RF, weights.fc1Bias());
        return new @Nullable Tensor[] {
            products.backward(innerGradient_RF, weights.fc1Weight().tensor())
        };
    }

    private Tensor active(Tensor inner_RF, @Nullable Tensor mask_RF) {
        Tensor active_RF = activation.forward(inner_RF);
        return mask_RF == null ? active_RF : active_RF.mulInPlace(mask_RF);
    }

    private @Nullable Tensor mask(Tensor like_RF) {
        if (!activationDropout.active()) {
            return null;
        }
        Tensor like_CF = Tensor.empty(like_RF.dtype(), like_RF.device(), choices.count(), like_RF.size(1));
        return activationDropout.factors(like_CF).indexSelect(0, choices.of_R());
    }

    private ExpertProducts products() {
        return productsOf.apply(weights.fc1Weight().tensor());
    }
}
