package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Output product with the embedding or a table of its own, softmax and negative log-likelihood. Inputs: hidden states
 * [tokens, model] and targets [tokens]. Outputs: the loss, a scalar that backward starts from, and each token's negative
 * log-likelihood in nats [tokens], 0 where there is no target.
 *
 * <p>Logits of all tokens never exist: some rows at a time are computed in the compute type, of which each thread of a CPU
 * has few in float32, which stay in its cache. The gradient of the logits, p − 1 at the target, takes their place in the
 * same sweep, since the softmax is at hand, and is multiplied on to the gradients of hidden states and table at once, for
 * logits computed again would cost a product more. Backward hands these out.
 */
public final class HeadSection implements Section.Written {

    /** Logits that exist at a time on a CPU, unless that makes products of too few rows. */
    private static final long PRODUCT_LOGITS = 1 << 23;

    /** The same on a GPU, whose products want more rows: 256 MiB in bfloat16. Not measured yet. */
    private static final long CUDA_PRODUCT_LOGITS = 1 << 27;

    /** Products of fewer rows are slower. */
    private static final long LEAST_ROWS = 512;

    /** Logits that a thread has in float32 at a time: 1 MiB, which stays in its cache. */
    public static final long SOFTMAX_LOGITS = 1 << 18;

    private final Parameter output;
    private final DType stable;
    private final double lossPerToken;
    /** {@link #lossPerToken} is the product of both. The compute type can hold the first exactly. */
    private final double exactShare;

    private final double restOfShare;
    private final @Nullable Kernels kernels;

    /**
     * @param output the table {@code [vocabulary, model]}
     * @param stable the type of the log-softmax
     * @param lossPerToken what each token's loss counts in the scalar
     * @param kernels for the softmax; null for its plain form
     */
    public HeadSection(Parameter output, DType stable, double lossPerToken, @Nullable Kernels kernels) {
        this.kernels = kernels;
        this.output = output;
        this.stable = stable;
        this.lossPerToken = lossPerToken;
        // A share rounded to bfloat16 would scale all gradients by up to 0.4 %. A power of two is exact in every type.
        this.exactShare =
                output.tensor().dtype() == stable ? lossPerToken : Math.scalb(1.0, Math.getExponent(lossPerToken));
        this.restOfShare = output.tensor().dtype() == stable ? 1 : lossPerToken / exactShare;
    }

    /** Rows of logits that exist at a time. */
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
    public Tensor[] forward(Saved saved, Tensor... inputs) {
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
                    // What each token counts multiplies the narrow side.
                    Tensor given_N1 = given_T1.narrow(0, from, n);
                    Tensor gradient_ND = hiddenGradient_TD.narrow(0, from, n).setToProduct(logits_NV, table_VD);
                    gradient_ND.copy(gradient_ND.to(stable).mulInPlace(given_N1.mul(lossPerToken)));
                    Tensor share_N1 = given_N1.mul(exactShare).to(hidden_TD.dtype());
                    Tensor more_VD = logits_NV.t().matmul(hidden_ND.mul(share_N1));
                    tableGradient_VD = tableGradient_VD == null
                            ? part.escape(n == tokens ? more_VD : more_VD.to(output.gradientType()))
                            : tableGradient_VD.addInPlace(more_VD.to(tableGradient_VD.dtype()));
                }
            }
        }
        nll_T1.mulInPlace(given_T1);
        saved.save(hiddenGradient_TD, tableGradient_VD);
        return new Tensor[] {nll_T1.sum().mul(lossPerToken), nll_T1.squeeze(1)};
    }

    /** Writes each row's negative log-likelihood and, where backward will run, replaces logits by their gradients. */
    private void softmax(Saved saved, Tensor logits_TV, Tensor index_T1, Tensor nll_T1) {
        if (kernels != null && stable == DType.FLOAT32 && Kernels.takes(logits_TV.dtype(), logits_TV.size(1))) {
            kernels.softmaxLoss(logits_TV, index_T1, nll_T1, saved.recording());
            return;
        }
        long tokens = logits_TV.size(0);
        if (logits_TV.device().isCuda()) {
            // A GPU has no cache to stay in, and many small calls to pay for.
            softmaxPart(saved.recording(), logits_TV, index_T1, nll_T1);
            return;
        }
        // Side by side: each of these operations is so short that threads would take as long to meet after it.
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

    /** The same for rows that are together in the stable type. */
    private void softmaxPart(boolean gradients, Tensor logits_NV, Tensor index_N1, Tensor nll_N1) {
        // Logits of the stable type are their own buffer.
        Tensor x_NV = logits_NV.to(stable);
        // Written out: libtorch's log-softmax takes twice as long, and an exponential more to get p from it.
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
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        // The loss is a root, so its own gradient is 1.
        output.addGradient(saved.get(1), restOfShare);
        return new @Nullable Tensor[] {saved.get(0), null};
    }
}
