package dev.moe4j.model;

import dev.moe4j.tensor.Saved;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * residual + Σ_k weight_k · expert output: inputs are the residual stream [tokens, model], the experts' rows [rows,
 * model] and the weights [tokens, k]. The dropout inside each expert acts here, on the outputs as tokens see them.
 */
record CombineSection(String name, Routes routes, Dropout dropout) implements Section.Written {

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor residual_TD = inputs[0];
        Tensor rows_RD = inputs[1];
        Tensor weights_TK = inputs[2];
        Tensor outputs_TKD = routes.gatherChoices(rows_RD);
        Tensor mask_TKD = dropout.mask(outputs_TKD);
        if (mask_TKD != null) {
            outputs_TKD.mulInPlace(mask_TKD);
        }
        saved.save(outputs_TKD, weights_TK);
        if (mask_TKD != null) {
            saved.save(mask_TKD);
        }
        Tensor weights_TK1 = weights_TK.to(rows_RD.dtype()).unsqueeze(2);
        Tensor sum_TD = outputs_TKD.mul(weights_TK1).sum(1);
        return new Tensor[] {residual_TD.add(sum_TD)};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[3];
        }
        Tensor outputs_TKD = saved.get(0);
        Tensor weights_TK = saved.get(1);
        Tensor weightGradient_TK =
                outputs_TKD.mul(gradient_TD.unsqueeze(1)).sum(2).to(weights_TK.dtype());
        Tensor weights_R1 = weights_TK
                .to(gradient_TD.dtype())
                .reshape(-1)
                .indexSelect(0, routes.choiceOf_R())
                .unsqueeze(1)
                .mul(routes.filled_R1());
        Tensor rowGradient_RD = gradient_TD.indexSelect(0, routes.tokenOf_R()).mulInPlace(weights_R1);
        if (dropout.active()) {
            Tensor mask_CD = saved.get(2).view(-1, gradient_TD.size(1));
            rowGradient_RD.mulInPlace(mask_CD.indexSelect(0, routes.choiceOf_R()));
        }
        return new @Nullable Tensor[] {gradient_TD, rowGradient_RD, weightGradient_TK};
    }
}
