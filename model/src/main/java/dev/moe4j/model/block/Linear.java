package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A linear layer x · Wᵀ + b.
 *
 * @param weight {@code [out, in]}
 * @param bias {@code [out]}; null for none
 */
public record Linear(Parameter weight, @Nullable Parameter bias) {

    /** The layer's parameters. */
    public List<Parameter> parameters() {
        return Stream.of(weight, bias).flatMap(Stream::ofNullable).toList();
    }

    /** The output {@code [rows, out]} of rows {@code [rows, in]}. */
    public Tensor forward(Tensor x_NI) {
        return bias == null
                ? Functions.linear(x_NI, weight.tensor())
                : Functions.linear(x_NI, weight.tensor(), bias.tensor());
    }

    /** Adds the gradients of weight and bias, given the gradient of the output {@code [rows, out]}. */
    void addGradients(Tensor gradient_NO, Tensor x_NI) {
        weight.addGradientProduct(gradient_NO.t(), x_NI);
        if (bias != null) {
            bias.addGradient(gradient_NO.sum(0));
        }
    }

    /** The gradient of the input {@code [rows, in]}. */
    Tensor backward(Tensor gradient_NO) {
        return gradient_NO.matmul(weight.tensor());
    }
}
