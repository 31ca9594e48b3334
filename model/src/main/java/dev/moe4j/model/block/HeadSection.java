package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The output head: logits, softmax and negative log-likelihood. Inputs: hidden states [tokens, model] and targets
 * [tokens]. Outputs: the loss, a scalar from which backward starts, and each token's negative log-likelihood in nats
 * [tokens], 0 for tokens without a target.
 *
 * <p>The logits of all tokens never exist together. Some rows at a time are computed in the compute type. On a CPU,
 * each thread converts a few of these to float32, which fit its cache. The forward pass also computes the gradients,
 * because the softmax is at hand and recomputing the logits would cost another product. The gradient of the logits, p −
 * 1 at the target, overwrites the logits and is multiplied into the gradients of hidden states and table. Backward
 * returns these.
 */
public final class HeadSection implements Section.CustomBackward {

    /** The number of logits computed at a time on a CPU, unless a product would have too few rows. */
    private static final long PRODUCT_LOGITS = 1 << 23;

    /**
     * The number of logits computed at a time on a GPU, whose products need more rows: 256 MiB in bfloat16. Not
     * measured yet.
     */
    private static final long CUDA_PRODUCT_LOGITS = 1 << 27;

    /** The fewest rows of a product; smaller products are slower. */
    private static final long LEAST_ROWS = 512;

    /** The number of logits that a thread holds in float32: 1 MiB, which fits its cache. */
    public static final long SOFTMAX_LOGITS = 1 << 18;

    private final Parameter output;
    private final DType stable;
    private final double lossPerToken;
    /** The factors of {@link #lossPerToken}. The first is exactly representable in the compute type. */
    private final double exactWeight;

    private final double restOfWeight;
    private final @Nullable Kernels kernels;

    /**
     * @param output the output table {@code [vocabulary, model]}
     * @param stable the type in which the log-softmax is computed
     * @param lossPerToken the weight of each token's loss in the scalar loss
     * @param kernels used for the softmax; null for libtorch's operators
     */
    public HeadSection(Parameter output, DType stable, double lossPerToken, @Nullable Kernels kernels) {
        this.kernels = kernels;
        this.output = output;
        this.stable = stable;
        this.lossPerToken = lossPerToken;
        // A weight rounded to bfloat16 would scale all gradients by up to 0.4 %. A power of two is exact in every type.
        this.exactWeight =
                output.tensor().dtype() == stable ? lossPerToken : Math.scalb(1.0, Math.getExponent(lossPerToken));
        this.restOfWeight = output.tensor().dtype() == stable ? 1 : lossPerToken / exactWeight;
    }

    /** The number of logit rows computed at a time. */
    public static long rows(long tokens, long vocabulary, boolean cuda) {
        long logits = cuda ? CUDA_PRODUCT_LOGITS : PRODUCT_LOGITS;
        return Math.min(tokens, Math.max(LEAST_ROWS, logits / vocabulary));
    }

    @Override
    public String name() {
        return "head";
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(output);
    }

    @Override
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor hidden_TD = inputs[0];
        Tensor table_VD = output.tensor();
        Tensor given_T1 = inputs[1].lessThan(0).not().to(stable).unsqueeze(1);
        Tensor index_T1 = inputs[1].clampMin(0).unsqueeze(1);
        long tokens = hidden_TD.size(0);
        Tensor nll_T1 = Tensor.empty(stable, hidden_TD.device(), tokens, 1);
        Tensor hiddenGradient_TD = hidden_TD.emptyLike();
        Tensor tableGradient_VD = null;
        long rows = rows(tokens, table_VD.size(0), hidden_TD.device().isCuda());
        for (long from = 0; from < tokens; from += rows) {
            long n = Math.min(rows, tokens - from);
            try (Scope part = Scope.open()) {
                Tensor hidden_ND = hidden_TD.narrow(0, from, n);
                Tensor logits_NV = Functions.linear(hidden_ND, table_VD);
                softmax(saved, logits_NV, index_T1.narrow(0, from, n), nll_T1.narrow(0, from, n));
                if (saved.recording()) {
                    // Token weights multiply the hidden states, which are narrower than the logits.
                    Tensor given_N1 = given_T1.narrow(0, from, n);
                    Tensor gradient_ND = hiddenGradient_TD.narrow(0, from, n).setToProduct(logits_NV, table_VD);
                    gradient_ND.copy(gradient_ND.to(stable).mulInPlace(given_N1.mul(lossPerToken)));
                    Tensor weight_N1 = given_N1.mul(exactWeight).to(hidden_TD.dtype());
                    Tensor partGradient_VD = logits_NV.t().matmul(hidden_ND.mul(weight_N1));
                    tableGradient_VD = tableGradient_VD == null
                            ? part.escape(n == tokens ? partGradient_VD : partGradient_VD.to(output.gradientType()))
                            : tableGradient_VD.addInPlace(partGradient_VD.to(tableGradient_VD.dtype()));
                }
            }
        }
        nll_T1.mulInPlace(given_T1);
        saved.save(hiddenGradient_TD, tableGradient_VD);
        return new Tensor[] {nll_T1.sum().mul(lossPerToken), nll_T1.squeeze(1)};
    }

    /** Writes each row's negative log-likelihood. If backward will run, replaces the logits by their gradients. */
    private void softmax(SavedTensors saved, Tensor logits_TV, Tensor index_T1, Tensor nll_T1) {
        if (kernels != null && stable == DType.FLOAT32 && Kernels.supports(logits_TV.dtype(), logits_TV.size(1))) {
            kernels.softmaxLoss(logits_TV, index_T1, nll_T1, saved.recording());
            return;
        }
        long tokens = logits_TV.size(0);
        if (logits_TV.device().isCuda()) {
            // On a GPU, splitting brings no cache benefit and each extra call costs a launch.
            softmaxPart(saved.recording(), logits_TV, index_T1, nll_T1);
            return;
        }
        // One task per block of rows. With threads inside each operation, synchronisation would take as long as the
        // short operations.
        long rows = Math.clamp(SOFTMAX_LOGITS / logits_TV.size(1), 1, tokens);
        ParallelTasks.run((int) Math.ceilDiv(tokens, rows), i -> {
            long from = i * rows;
            long n = Math.min(rows, tokens - from);
            softmaxPart(
                    saved.recording(),
                    logits_TV.narrow(0, from, n),
                    index_T1.narrow(0, from, n),
                    nll_T1.narrow(0, from, n));
        });
    }

    /** {@link #softmax} for rows that are converted to the stable type together. */
    private void softmaxPart(boolean gradients, Tensor logits_NV, Tensor index_N1, Tensor nll_N1) {
        // Logits that already have the stable type are modified in place.
        Tensor x_NV = logits_NV.to(stable);
        // Written out, because libtorch's log-softmax takes twice as long and needs another exponential to get p.
        Tensor largest_N1 = x_NV.amax(1).unsqueeze(1);
        Tensor target_N1 = x_NV.gather(1, index_N1);
        Tensor sum_N1 = Functions.expInPlace(x_NV.subInPlace(largest_N1)).sum(1).unsqueeze(1);
        nll_N1.copy(sum_N1.log().add(largest_N1).sub(target_N1));
        if (gradients) {
            Tensor minusOne_N1 = Tensor.full(-1, stable, logits_NV.device(), index_N1.shape());
            x_NV.mulInPlace(sum_N1.reciprocal()).scatterAddInPlace(1, index_N1, minusOne_N1);
            if (logits_NV.dtype() != stable) {
                logits_NV.copy(x_NV);
            }
        }
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
        // The loss is a root, so its own gradient is 1.
        output.addGradient(saved.get(1), restOfWeight);
        return new @Nullable Tensor[] {saved.get(0), null};
    }
}
