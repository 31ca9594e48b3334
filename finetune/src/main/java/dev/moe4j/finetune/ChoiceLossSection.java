package dev.moe4j.finetune;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * Computes the scalar loss of the scores {@code [inputs, candidates]}. The loss of an input is the cross-entropy of its
 * correct candidates: −ln of their share in the softmax over all candidates. If each input holds only the correct answer,
 * its loss is the negative score. Losses are summed over inputs and multiplied by {@code share}.
 *
 * @param batch the inputs
 * @param answers whether each input holds only the correct answer
 * @param share weight of one input in the update's mean loss
 */
record ChoiceLossSection(ScoringBatch batch, boolean answers, double share) implements Section.Autograd {

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
        Tensor scores_IC = inputs[0];
        if (answers) {
            return new Tensor[] {scores_IC.sum().mul(-share)};
        }
        Tensor all_I = scores_IC
                .add(batch.mask(false, scores_IC.dtype(), scores_IC.device()))
                .logSumExp(-1);
        Tensor right_I = scores_IC
                .add(batch.mask(true, scores_IC.dtype(), scores_IC.device()))
                .logSumExp(-1);
        return new Tensor[] {all_I.sub(right_I).sum().mul(share)};
    }
}
