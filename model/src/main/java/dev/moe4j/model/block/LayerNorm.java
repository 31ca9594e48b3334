package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/** Layer norm (Ba et al. 2016) with weight and bias {@code [width]}. */
public record LayerNorm(Parameter weight, Parameter bias, double epsilon) implements Norm {

    static List<Parameter.Spec> specs(String prefix, int width) {
        List<Long> shape = List.of((long) width);
        return List.of(
                Parameter.Spec.of(prefix + ".weight", shape, Initializations.ONE, false),
                Parameter.Spec.of(prefix + ".bias", shape, Initializations.ZERO, false));
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(weight, bias);
    }

    @Override
    public Tensor forward(Tensor x_ND) {
        return Functions.layerNorm(x_ND, weight.tensor(), bias.tensor(), epsilon);
    }

    @Override
    public Normed forwardWithStatistics(Tensor x_ND) {
        Tensor[] results = Functions.layerNormWithStatistics(x_ND, weight.tensor(), bias.tensor(), epsilon);
        return new Normed(results[0], results[1], results[2]);
    }

    @Override
    public int statistics() {
        return 2;
    }

    @Override
    public Tensor backward(Tensor gradient_ND, Tensor x_ND, Tensor... statistics) {
        Tensor[] gradients = Functions.layerNormBackward(
                gradient_ND, x_ND, statistics[0], statistics[1], weight.tensor(), bias.tensor());
        weight.addGradient(gradients[1]);
        bias.addGradient(gradients[2]);
        return gradients[0];
    }
}
