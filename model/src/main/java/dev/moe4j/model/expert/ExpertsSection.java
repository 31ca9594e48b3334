package dev.moe4j.model.expert;

import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Runs the experts: fc2(dropout(activation(fc1(x)))) by each expert on its rows [rows, model]. Dropout is drawn per
 * choice of a token, so it does not depend on the layout of the rows.
 *
 * @param networks the networks with their rows
 * @param lean whether only fc1's result is saved; backward recomputes the rest
 */
public record ExpertsSection(
        String name, ExpertNetworks networks, Dropout activationDropout, RowChoices choices, boolean lean)
        implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return networks.weights().all();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor mask_RF = mask(inputs[0]);
        ExpertNetworks.Passed passed = networks.forward(inputs[0], mask_RF);
        saved.save(passed.inner());
        if (!lean) {
            saved.save(passed.active_RF(), mask_RF);
        }
        return new Tensor[] {passed.y_RD()};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient_RD = gradients[0];
        if (gradient_RD == null) {
            return new @Nullable Tensor[1];
        }
        Tensor x_RD = saved.input(0);
        Tensor inner = saved.get(0);
        Tensor mask_RF = lean ? mask(x_RD) : saved.find(2);
        Tensor active_RF = lean ? networks.active(inner, mask_RF) : saved.get(1);
        return new @Nullable Tensor[] {networks.backward(gradient_RD, x_RD, inner, active_RF, mask_RF)};
    }

    private @Nullable Tensor mask(Tensor x_RD) {
        if (!activationDropout.active()) {
            return null;
        }
        try (Scope scope = Scope.open()) {
            Tensor like_CF = Tensor.empty(
                    x_RD.dtype(),
                    x_RD.device(),
                    choices.count(),
                    networks.weights().ffn());
            return scope.escape(activationDropout.factors(like_CF).indexSelect(0, choices.of_R()));
        }
    }
}
