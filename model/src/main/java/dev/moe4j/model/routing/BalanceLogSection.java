package dev.moe4j.model.routing;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * −coefficient · log(Σ l): inputs are the layers' balance losses l, scalars that are already multiplied by what each
 * counts in the sum; the output is a scalar that backward starts from.
 */
public record BalanceLogSection(double coefficient) implements Section.Derived {

    /** Keeps the logarithm finite where a batch has nothing but padding. */
    private static final double LEAST = Float.MIN_NORMAL;

    @Override
    public String name() {
        return "balance";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor sum = inputs[0];
        for (int i = 1; i < inputs.length; i++) {
            sum = sum.add(inputs[i]);
        }
        return new Tensor[] {sum.clampMin(LEAST).log().mul(-coefficient)};
    }
}
