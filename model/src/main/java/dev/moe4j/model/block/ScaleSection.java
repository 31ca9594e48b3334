package dev.moe4j.model.block;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/** Multiplies hidden states [tokens, model] by a constant. */
public record ScaleSection(String name, double factor) implements Section.Autograd {

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        return new Tensor[] {inputs[0].mul(factor)};
    }
}
