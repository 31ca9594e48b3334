package dev.moe4j.model.block;

import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The dense feed-forward network, also used for shared experts: residual + dropout(fc2(dropout(activation(fc1(h))))).
 * Inputs: the residual stream and its normalised form h, [tokens, model] each. Output: [tokens, model].
 *
 * @param lean whether only fc1's result is saved; backward recomputes the rest
 */
public record FeedForwardSection(
        String name, Weights weights, Activation activation, Dropout activationDropout, Dropout dropout, boolean lean)
        implements Section.Written {

    public record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {

        public List<Parameter> all() {
            return List.of(fc1Weight, fc1Bias, fc2Weight, fc2Bias);
        }
    }

    @Override
    public List<Parameter> parameters() {
        return weights.all();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor residual_TD = inputs[0];
        Tensor inner_TF = Functions.linear(
                inputs[1], weights.fc1Weight().tensor(), weights.fc1Bias().tensor());
        Tensor innerMask_TF = activationDropout.mask(inner_TF);
        Tensor active_TF = active(inner_TF, innerMask_TF);
        Tensor out_TD = Functions.linear(
                active_TF, weights.fc2Weight().tensor(), weights.fc2Bias().tensor());
        Tensor mask_TD = dropout.mask(residual_TD);
        saved.save(inner_TF);
        if (!lean) {
            saved.save(active_TF, innerMask_TF, mask_TD);
        }
        Dropout.multiply(out_TD, mask_TD);
        return new Tensor[] {out_TD.addInPlace(residual_TD)};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[2];
        }
        Tensor inner_TF = saved.get(0);
        Tensor innerMask_TF = lean ? activationDropout.mask(inner_TF) : saved.find(2);
        Tensor active_TF = lean ? active(inner_TF, innerMask_TF) : saved.get(1);
        Tensor mask_TD = lean ? dropout.mask(saved.input(0)) : saved.find(3);
        Tensor out_TD = mask_TD == null ? gradient_TD : gradient_TD.mul(mask_TD);
        weights.fc2Weight().addGradientProduct(out_TD.t(), active_TF);
        weights.fc2Bias().addGradient(out_TD.sum(0));
        Tensor activeGradient_TF = out_TD.matmul(weights.fc2Weight().tensor());
        Dropout.multiply(activeGradient_TF, innerMask_TF);
        Tensor innerGradient_TF = activation.backward(activeGradient_TF, inner_TF);
        weights.fc1Weight().addGradientProduct(innerGradient_TF.t(), saved.input(1));
        weights.fc1Bias().addGradient(innerGradient_TF.sum(0));
        return new @Nullable Tensor[] {
            gradient_TD, innerGradient_TF.matmul(weights.fc1Weight().tensor())
        };
    }

    private Tensor active(Tensor inner_TF, @Nullable Tensor mask_TF) {
        Tensor active_TF = activation.forward(inner_TF);
        return Dropout.multiply(active_TF, mask_TF);
    }
}
