package dev.moe4j.finetune;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Computes the candidates' scores {@code [inputs, candidates]} from the hidden states {@code [tokens, model]}. An input
 * with fewer candidates than the batch's largest gets scores of 0 for the rest.
 *
 * @param table the head's weight, {@code [outputs, model]}
 * @param bias the head's bias, {@code [outputs]}; null if it has none
 * @param normalised whether a term is the log-probability of its output (log-softmax) instead of the raw output
 * @param batch the inputs
 * @param stable data type of the scores
 */
record ScoreSection(Parameter table, @Nullable Parameter bias, boolean normalised, ScoringBatch batch, DType stable)
        implements Section.Autograd {

    @Override
    public String name() {
        return "scores";
    }

    @Override
    public List<Parameter> parameters() {
        return bias == null ? List.of(table) : List.of(table, bias);
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor hidden_TD = inputs[0];
        Tensor table_OD = table.tensor();
        Tensor hidden_ND =
                hidden_TD.indexSelect(0, batch.rows(hidden_TD.device())).to(table_OD.dtype());
        Tensor outputs_NO = (bias == null
                        ? Functions.linear(hidden_ND, table_OD)
                        : Functions.linear(hidden_ND, table_OD, bias.tensor()))
                .to(stable);
        Tensor target_N1 = batch.targets(hidden_TD.device()).unsqueeze(1);
        Tensor value_N1 = outputs_NO.gather(1, target_N1);
        if (normalised) {
            value_N1 = value_N1.sub(outputs_NO.logSumExp(-1).unsqueeze(1));
        }
        Tensor weights_CN = batch.weights(stable, hidden_TD.device());
        return new Tensor[] {weights_CN.matmul(value_N1).view(batch.inputs().size(), batch.candidates())};
    }
}
