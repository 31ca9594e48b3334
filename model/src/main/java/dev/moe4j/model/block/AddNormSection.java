package dev.moe4j.model.block;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Fused residual addition and layer norm, on CUDA kernels. Inputs: the residual stream and the branch to add to it,
 * [tokens, model] each. Outputs: the sum, and its normalised form. Without kernels, the branch's section adds the
 * residual, and {@link NormSection} normalises.
 *
 * @param inPlace whether the sum overwrites the branch; only allowed if this section is never recomputed
 */
public record AddNormSection(String name, LayerNorm norm, boolean inPlace, Kernels kernels)
        implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return norm.parameters();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor branch_TD = inputs[1];
        Tensor sum_TD = inPlace ? branch_TD.detach() : branch_TD.emptyLike();
        Tensor[] results = kernels.addNorm(
                inputs[0], branch_TD, norm.weight().tensor(), norm.bias().tensor(), norm.epsilon(), sum_TD);
        saved.save(sum_TD, results[1]);
        return new Tensor[] {sum_TD, results[0]};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor sumGradient_TD = gradients[0];
        Tensor normedGradient_TD = gradients[1];
        if (normedGradient_TD == null) {
            return new @Nullable Tensor[] {sumGradient_TD, sumGradient_TD};
        }
        Tensor[] results = kernels.addNormBackward(
                sumGradient_TD == null ? null : sumGradient_TD.contiguous(),
                normedGradient_TD.contiguous(),
                saved.get(0),
                saved.get(1),
                norm.weight().tensor());
        norm.weight().addGradient(results[1]);
        norm.bias().addGradient(results[2]);
        return new @Nullable Tensor[] {results[0], results[0]};
    }
}
