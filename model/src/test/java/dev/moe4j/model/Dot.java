package dev.moe4j.model;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Computes Σ x·weights as a scalar root, so that x has the gradient {@code weights}. */
public record Dot(Tensor weights) implements Section.CustomBackward {

    @Override
    public String name() {
        return "dot";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        return new Tensor[] {inputs[0].mul(weights).sum()};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        return new @Nullable Tensor[] {weights};
    }
}
