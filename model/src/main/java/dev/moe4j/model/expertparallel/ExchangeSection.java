package dev.moe4j.model.expertparallel;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Rows travel to the ranks that hold their experts, or results back: [sent, model] to [rows, model] or the reverse. The
 * backward pass goes the other way.
 *
 * @param back whether these are results on their way back
 */
public record ExchangeSection(String name, ExpertExchange exchange, boolean back) implements Section.Written {

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        return new Tensor[] {(back ? exchange.combine(inputs[0]) : exchange.dispatch(inputs[0])).await()};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient = gradients[0];
        if (gradient == null) {
            return new @Nullable Tensor[1];
        }
        return new @Nullable Tensor[] {
            (back ? exchange.combineBackward(gradient) : exchange.dispatchBackward(gradient)).await()
        };
    }
}
