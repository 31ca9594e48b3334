package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * Root mean square norm (Zhang and Sennrich 2019): x / √(mean(x²) + ε) · weight, with weight {@code [width]}. The
 * statistics are computed in at least float32; the quotient is rounded to the compute type before it is multiplied by the
 * weight, as in Llama.
 *
 * <p>On a CPU, one task computes some rows, whose intermediate values stay in the core's cache. On a GPU, one task
 * computes all rows.
 *
 * <p>Shapes: N rows, M rows of a task, D width.
 */
public record RmsNorm(Parameter weight, double epsilon) implements Norm {

    /** The most elements of a task on a CPU: 512 KiB in float32. docs/log.md has the measurement. */
    private static final long TASK_ELEMENTS = 1 << 17;

    static List<Parameter.Spec> specs(String prefix, int width) {
        return List.of(Parameter.Spec.of(prefix + ".weight", List.of((long) width), Initializations.ONE, false));
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(weight);
    }

    @Override
    public Tensor forward(Tensor x_ND) {
        Tensor wide_ND = x_ND.to(stable(x_ND));
        return wide_ND.mul(reciprocal(wide_ND)).to(x_ND.dtype()).mul(weight.tensor());
    }

    private Tensor reciprocal(Tensor wide_ND) {
        return wide_ND.square().mean(-1).add(epsilon).rsqrt().unsqueeze(-1);
    }

    @Override
    public Normed forwardWithStatistics(Tensor x_ND) {
        Tensor y_ND = Tensor.empty(x_ND.dtype(), x_ND.device(), x_ND.shape());
        Tensor reciprocal_N1 = Tensor.empty(stable(x_ND), x_ND.device(), x_ND.size(0), 1);
        tasks(x_ND, first -> {
            Tensor wide_MD = rows(x_ND, first).to(stable(x_ND));
            Tensor reciprocal_M1 = rows(reciprocal_N1, first, x_ND).copy(reciprocal(wide_MD));
            set(rows(y_ND, first), wide_MD, reciprocal_M1).mulInPlace(weight.tensor());
        });
        return new Normed(y_ND, reciprocal_N1);
    }

    @Override
    public int statistics() {
        return 1;
    }

    @Override
    public Tensor backward(Tensor gradient_ND, Tensor x_ND, Tensor... statistics) {
        Tensor reciprocal_N1 = statistics[0];
        DType stable = stable(x_ND);
        double width = x_ND.size(1);
        Tensor xGradient_ND = Tensor.empty(x_ND.dtype(), x_ND.device(), x_ND.shape());
        long count = Math.ceilDiv(x_ND.size(0), rowsOfTask(x_ND));
        Tensor weightGradients_PD = Tensor.empty(stable, x_ND.device(), count, x_ND.size(1));
        Tensor weight_D = weight.tensor().detach().to(stable);
        tasks(x_ND, first -> {
            Tensor reciprocal_M1 = rows(reciprocal_N1, first, x_ND);
            Tensor gradient_MD = rows(gradient_ND, first).to(stable);
            // The quotient x / √(mean(x²) + ε).
            Tensor quotient_MD = rows(x_ND, first).to(stable).mul(reciprocal_M1);
            Tensor both_MD = gradient_MD.mul(quotient_MD);
            weightGradients_PD.select(0, first / rowsOfTask(x_ND)).copy(both_MD.sum(0));
            // The mean of gradient · weight · quotient, over the width.
            Tensor mean_M1 = both_MD.matmul(weight_D.unsqueeze(1)).mulInPlace(-1 / width);
            Tensor inner_MD =
                    both_MD.setToProductOfElements(gradient_MD, weight_D).addProductOfElements(quotient_MD, mean_M1, 1);
            set(rows(xGradient_ND, first), inner_MD, reciprocal_M1);
        });
        weight.addGradient(weightGradients_PD.sum(0));
        return xGradient_ND;
    }

    /** Writes a · b to {@code target}, rounded to its type. */
    private static Tensor set(Tensor target, Tensor a, Tensor b) {
        return target.dtype() == a.dtype() ? target.setToProductOfElements(a, b) : target.copy(a.mul(b));
    }

    private static void tasks(Tensor x_ND, LongConsumer task) {
        long rows = rowsOfTask(x_ND);
        ParallelTasks.run((int) Math.ceilDiv(x_ND.size(0), rows), i -> task.accept(i * rows));
    }

    private static long rowsOfTask(Tensor x_ND) {
        return x_ND.device().isCuda() ? Math.max(1, x_ND.size(0)) : Math.max(1, TASK_ELEMENTS / x_ND.size(1));
    }

    private static Tensor rows(Tensor all_ND, long first) {
        return rows(all_ND, first, all_ND);
    }

    /** The rows of the task that starts at row {@code first} of {@code like_ND}. */
    private static Tensor rows(Tensor all, long first, Tensor like_ND) {
        return all.narrow(0, first, Math.min(rowsOfTask(like_ND), all.size(0) - first));
    }

    private static DType stable(Tensor x_ND) {
        return x_ND.dtype() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
    }
}
