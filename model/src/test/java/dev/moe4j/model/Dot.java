package dev.moe4j.model;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Computes Σ x·weights as a scalar root, so that x has the gradient {@code weights}. */
record Dot(Tensor weights) implements Section.Written {

    @Override
    public String name() {
        return "dot";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        return new Tensor[] {inputs[0].mul(weights).sum()};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        return new @Nullable Tensor[] {weights};
    }
}
