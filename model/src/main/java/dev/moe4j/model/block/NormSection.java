package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/** Layer norm of the residual stream [tokens, model]. */
public record NormSection(String name, Parameter weight, Parameter bias) implements Section.Derived {
    public static final double EPSILON = 1e-5;

    @Override
    public List<Parameter> parameters() {
        return List.of(weight, bias);
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        return new Tensor[] {Functions.layerNorm(inputs[0], weight.tensor(), bias.tensor(), EPSILON)};
    }
}
