package dev.moe4j.finetune;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * The loss of scores {@code [sheets, candidates]}, a scalar: −ln of the right candidates' share in the softmax over all
 * candidates, or of an answer, which has nothing beside it to choose from, its score's negative. Summed over sheets and
 * multiplied by the share that each has in the step.
 *
 * @param answers whether sheets have the right candidate alone
 */
record ChoiceLossSection(SheetBatch batch, boolean answers, double share) implements Section.Derived {

    @Override
    public String name() {
        return "choice";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor scores_EC = inputs[0];
        if (answers) {
            return new Tensor[] {scores_EC.sum().mul(-share)};
        }
        Tensor all_E = scores_EC
                .add(batch.mask(false, scores_EC.dtype(), scores_EC.device()))
                .logSumExp(-1);
        Tensor right_E = scores_EC
                .add(batch.mask(true, scores_EC.dtype(), scores_EC.device()))
                .logSumExp(-1);
        return new Tensor[] {all_E.sub(right_E).sum().mul(share)};
    }
}
