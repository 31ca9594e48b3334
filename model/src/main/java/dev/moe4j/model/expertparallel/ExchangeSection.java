package dev.moe4j.model.expertparallel;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The all-to-all exchange of an expert parallel layer, as a section. Dispatch sends rows to the ranks that hold their
 * experts, [sent, model] to [rows, model]; combine sends results back. Backward exchanges in the opposite direction.
 *
 * @param back whether the section returns results
 */
public record ExchangeSection(String name, ExpertExchange exchange, boolean back) implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        return new Tensor[] {(back ? exchange.combine(inputs[0]) : exchange.dispatch(inputs[0])).await()};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient = gradients[0];
        if (gradient == null) {
            return new @Nullable Tensor[1];
        }
        return new @Nullable Tensor[] {
            (back ? exchange.combineBackward(gradient) : exchange.dispatchBackward(gradient)).await()
        };
    }
}
