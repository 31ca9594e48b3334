package dev.moe4j.model;

import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Saved;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * fc2(dropout(activation(fc1(x)))) by each expert on its rows [rows, model]. What is dropped is drawn for each token's
 * choices, so that it does not depend on the rows in which they stand.
 */
record ExpertsSection(
        String name,
        Weights weights,
        Activation activation,
        Dropout activationDropout,
        Routes routes,
        boolean reference)
        implements Section.Written {

    /** Stacked over experts: fc1 [experts, ffn, model] and [experts, ffn], fc2 [experts, model, ffn] and [experts, model]. */
    record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {}

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor x_RD = inputs[0];
        ExpertProducts products = products();
        Tensor inner_RF = products.forward(x_RD, weights.fc1Weight().tensor());
        addBias(inner_RF, weights.fc1Bias().tensor());
        Tensor active_RF = activation.forward(inner_RF);
        Tensor mask_RF = mask(active_RF);
        if (mask_RF != null) {
            active_RF.mulInPlace(mask_RF);
        }
        Tensor y_RD = products.forward(active_RF, weights.fc2Weight().tensor());
        addBias(y_RD, weights.fc2Bias().tensor());
        saved.save(x_RD, inner_RF, active_RF);
        if (mask_RF != null) {
            saved.save(mask_RF);
        }
        return new Tensor[] {y_RD};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_RD = gradients[0];
        if (gradient_RD == null) {
            return new @Nullable Tensor[1];
        }
        Tensor x_RD = saved.get(0);
        Tensor inner_RF = saved.get(1);
        Tensor active_RF = saved.get(2);
        ExpertProducts products = products();
        products.weightGradient(gradient_RD, active_RF, weights.fc2Weight());
        addBiasGradient(gradient_RD, weights.fc2Bias());
        Tensor activeGradient_RF =
                products.backward(gradient_RD, weights.fc2Weight().tensor());
        if (activationDropout.active()) {
            activeGradient_RF.mulInPlace(saved.get(3));
        }
        Tensor innerGradient_RF = activation.backward(activeGradient_RF, inner_RF);
        products.weightGradient(innerGradient_RF, x_RD, weights.fc1Weight());
        addBiasGradient(innerGradient_RF, weights.fc1Bias());
        return new @Nullable Tensor[] {
            products.backward(innerGradient_RF, weights.fc1Weight().tensor())
        };
    }

    private @Nullable Tensor mask(Tensor like_RF) {
        if (!activationDropout.active()) {
            return null;
        }
        long choices = (long) assignment().tokens() * assignment().topK();
        Tensor like_CF = Tensor.empty(like_RF.dtype(), like_RF.device(), choices, like_RF.size(1));
        return activationDropout.factors(like_CF).indexSelect(0, routes.choiceOf_R());
    }

    private Assignment assignment() {
        return routes.assignment();
    }

    private ExpertProducts products() {
        return reference
                ? new ExpertProducts.Loop(assignment())
                : ExpertProducts.of(assignment(), weights.fc1Weight().tensor());
    }

    /** Adds each expert's bias to its rows, empty ones included: a row past the last token must hold a number. */
    private void addBias(Tensor rows, Tensor bias) {
        for (int e = 0; e < assignment().experts(); e++) {
            int start = assignment().start(e);
            int count = assignment().start(e + 1) - start;
            if (count > 0) {
                rows.narrow(0, start, count).addInPlace(bias.select(0, e));
            }
        }
    }

    private void addBiasGradient(Tensor gradient, Parameter bias) {
        for (int e = 0; e < assignment().experts(); e++) {
            int start = assignment().start(e);
            int count = assignment().start(e + 1) - start;
            bias.addGradientEntry(
                    e, count == 0 ? null : gradient.narrow(0, start, count).sum(0));
        }
        bias.entriesWritten();
    }
}
