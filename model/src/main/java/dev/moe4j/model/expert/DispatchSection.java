package dev.moe4j.model.expert;

import dev.moe4j.model.routing.RowIndices;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Dispatches tokens [tokens, model] to their experts' rows [rows, model]. Backward gathers each token's rows, so it
 * needs no atomic additions.
 */
public record DispatchSection(String name, RowIndices indices) implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        return new Tensor[] {inputs[0].indexSelect(0, indices.tokenOf_R())};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient = gradients[0];
        if (gradient == null) {
            return new @Nullable Tensor[1];
        }
        return new @Nullable Tensor[] {
            indices.sumOfChoices(indices.gatherChoices(gradient).mulInPlace(indices.kept_TK1()))
        };
    }
}
