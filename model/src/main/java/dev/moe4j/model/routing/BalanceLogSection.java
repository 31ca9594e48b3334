package dev.moe4j.model.routing;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * Computes −coefficient · log(Σ l) over the layers' load balancing losses l. Inputs: one scalar per layer, already
 * multiplied by its weight in the sum. Output: a scalar from which backward starts.
 */
public record BalanceLogSection(double coefficient) implements Section.Autograd {

    /** Keeps the logarithm finite for a batch of padding only. */
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
