package dev.moe4j.model.expert;

import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.routing.RowIndices;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Combines the experts' outputs: residual + Σ_k weight_k · output_k. Inputs: the residual stream [tokens, model], the
 * experts' output rows [rows, model] and the combine weights [tokens, k]. Output: [tokens, model]. The output dropout
 * of the experts acts here, on each token's outputs. Backward gathers the outputs again, which is cheaper than saving
 * them.
 *
 * @param lean whether backward draws the dropout mask again instead of saving it
 * @param factor multiplies the sum of the outputs before it is added to the residual stream
 * @param kernels used if dropout is inactive; null for libtorch's operators
 */
public record CombineSection(
        String name,
        RowIndices indices,
        Dropout dropout,
        boolean lean,
        double factor,
        @Nullable Kernels kernels) implements Section.CustomBackward {

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor residual_TD = inputs[0];
        Kernels fused = kernels(residual_TD, inputs[2]);
        if (fused != null) {
            return new Tensor[] {fused.combine(residual_TD, inputs[1], inputs[2], indices.rowOf_C())};
        }
        Tensor outputs_TKD = indices.gatherChoices(inputs[1]);
        Tensor weights_TK1 = scaled(inputs[2]).to(outputs_TKD.dtype()).unsqueeze(2);
        Tensor mask_TKD = dropout.mask(outputs_TKD);
        Dropout.multiply(outputs_TKD, mask_TKD);
        if (!lean) {
            saved.save(mask_TKD);
        }
        Tensor sum_TD = indices.sumOfChoices(outputs_TKD.mulInPlace(weights_TK1));
        return new Tensor[] {sum_TD.addInPlace(residual_TD)};
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[3];
        }
        Tensor weights_TK = saved.input(2);
        Kernels fused = kernels(gradient_TD, weights_TK);
        if (fused != null) {
            Tensor[] results = fused.combineBackward(
                    gradient_TD.contiguous(), saved.input(1), weights_TK, indices.choiceOf_R(), indices.filled_R1());
            return new @Nullable Tensor[] {gradient_TD, results[0], results[1]};
        }
        Tensor outputs_TKD = indices.gatherChoices(saved.input(1));
        Tensor mask_TKD = lean ? dropout.mask(outputs_TKD) : saved.find(0);
        Dropout.multiply(outputs_TKD, mask_TKD);
        Tensor weightGradient_TK =
                scaled(outputs_TKD.mulInPlace(gradient_TD.unsqueeze(1)).sum(2).to(weights_TK.dtype()));
        Tensor weights_R1 = scaled(weights_TK)
                .to(gradient_TD.dtype())
                .reshape(-1)
                .indexSelect(0, indices.choiceOf_R())
                .unsqueeze(1)
                .mul(indices.filled_R1());
        Tensor rowGradient_RD = gradient_TD.indexSelect(0, indices.tokenOf_R()).mulInPlace(weights_R1);
        if (mask_TKD != null) {
            Tensor mask_CD = mask_TKD.view(-1, gradient_TD.size(1));
            rowGradient_RD.mulInPlace(mask_CD.indexSelect(0, indices.choiceOf_R()));
        }
        return new @Nullable Tensor[] {gradient_TD, rowGradient_RD, weightGradient_TK};
    }

    private Tensor scaled(Tensor weights_TK) {
        return factor == 1 ? weights_TK : weights_TK.mul(factor);
    }

    private @Nullable Kernels kernels(Tensor like_TD, Tensor weights_TK) {
        return !dropout.active()
                        && factor == 1
                        && weights_TK.dtype() == DType.FLOAT32
                        && Kernels.supports(like_TD.dtype(), like_TD.size(1))
                ? kernels
                : null;
    }
}
