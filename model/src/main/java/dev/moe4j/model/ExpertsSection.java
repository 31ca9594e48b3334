package dev.moe4j.model;

import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Saved;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** fc2(activation(fc1(x))) by each expert on its rows [rows, model]. */
record ExpertsSection(String name, Weights weights, Activation activation, Assignment assignment, boolean reference)
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
        Tensor y_RD = products.forward(active_RF, weights.fc2Weight().tensor());
        addBias(y_RD, weights.fc2Bias().tensor());
        saved.save(x_RD, inner_RF, active_RF);
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
        Tensor innerGradient_RF = activation.backward(
                products.backward(gradient_RD, weights.fc2Weight().tensor()), inner_RF);
        products.weightGradient(innerGradient_RF, x_RD, weights.fc1Weight());
        addBiasGradient(innerGradient_RF, weights.fc1Bias());
        return new @Nullable Tensor[] {
            products.backward(innerGradient_RF, weights.fc1Weight().tensor())
        };
    }

    private ExpertProducts products() {
        return reference
                ? new ExpertProducts.Loop(assignment)
                : ExpertProducts.of(assignment, weights.fc1Weight().tensor());
    }

    /** Adds each expert's bias to its rows, empty ones included: a row past the last token must hold a number. */
    private void addBias(Tensor rows, Tensor bias) {
        for (int e = 0; e < assignment.experts(); e++) {
            int start = assignment.start(e);
            int count = assignment.start(e + 1) - start;
            if (count > 0) {
                rows.narrow(0, start, count).addInPlace(bias.select(0, e));
            }
        }
    }

    private void addBiasGradient(Tensor gradient, Parameter bias) {
        for (int e = 0; e < assignment.experts(); e++) {
            int start = assignment.start(e);
            int count = assignment.start(e + 1) - start;
            bias.addGradientEntry(
                    e, count == 0 ? null : gradient.narrow(0, start, count).sum(0));
        }
        bias.entriesWritten();
    }
}
