package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Saved;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Output product with the embedding or a table of its own, softmax and negative log-likelihood. Inputs: hidden states [tokens, model] and
 * targets [tokens]. Outputs: the loss, a scalar that backward starts from, and each token's negative log-likelihood in
 * nats [tokens], 0 where there is no target.
 *
 * <p>Logits exist in the compute type only, and in float32 for a few rows at a time that stay in the cache. The gradient
 * of the logits, p − 1 at the target, takes their place in the same sweep, since the softmax is at hand.
 */
final class HeadSection implements Section.Written {

    /** Logits that are in float32 at a time: 2 MiB. */
    private static final long CHUNK_LOGITS = 1 << 19;

    private final Parameter output;
    private final DType stable;
    private final double lossPerToken;

    /**
     * @param output the table {@code [vocabulary, model]}
     * @param stable the type of the log-softmax
     * @param lossPerToken what each token's loss counts in the scalar
     */
    HeadSection(Parameter output, DType stable, double lossPerToken) {
        this.output = output;
        this.stable = stable;
        this.lossPerToken = lossPerToken;
    }

    @Override
    public String name() {
        return "head";
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor hidden_TD = inputs[0];
        Tensor targets_T = inputs[1];
        long tokens = hidden_TD.size(0);
        Tensor logits_TV = Functions.linear(hidden_TD, output.tensor());
        Tensor given_T1 = targets_T.lessThan(0).not().to(stable).unsqueeze(1);
        Tensor index_T1 = targets_T.clampMin(0).unsqueeze(1);
        Tensor nll_T1 = Tensor.empty(stable, hidden_TD.device(), tokens, 1);
        long chunk = Math.clamp(CHUNK_LOGITS / logits_TV.size(1), 1, tokens);
        Tensor buffer_CV = Tensor.empty(stable, hidden_TD.device(), chunk, logits_TV.size(1));
        Tensor minusOne_C1 = Tensor.full(-1, stable, hidden_TD.device(), chunk, 1);
        for (long from = 0; from < tokens; from += chunk) {
            long n = Math.min(chunk, tokens - from);
            try (Scope _ = Scope.open()) {
                Tensor logits_NV = logits_TV.narrow(0, from, n);
                Tensor index_N1 = index_T1.narrow(0, from, n);
                // Written out: libtorch's log-softmax takes twice as long, and an exponential more to get p from it.
                Tensor x_NV = buffer_CV.narrow(0, 0, n).copy(logits_NV);
                Tensor largest_N1 = x_NV.amax(1).unsqueeze(1);
                Tensor target_N1 = x_NV.gather(1, index_N1);
                Tensor sum_N1 =
                        Functions.expInPlace(x_NV.subInPlace(largest_N1)).sum(1).unsqueeze(1);
                nll_T1.narrow(0, from, n).copy(sum_N1.log().add(largest_N1).sub(target_N1));
                if (saved.recording()) {
                    x_NV.mulInPlace(sum_N1.reciprocal()).scatterAddInPlace(1, index_N1, minusOne_C1.narrow(0, 0, n));
                    logits_NV.copy(x_NV);
                }
            }
        }
        nll_T1.mulInPlace(given_T1);
        saved.save(hidden_TD, logits_TV, given_T1.mul(lossPerToken).to(hidden_TD.dtype()));
        return new Tensor[] {nll_T1.sum().mul(lossPerToken), nll_T1.squeeze(1)};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        // The loss is a root, so its own gradient is 1. What each token counts multiplies the narrow side.
        Tensor hidden_TD = saved.get(0);
        Tensor gradient_TV = saved.get(1);
        Tensor share_T1 = saved.get(2);
        output.addGradient(gradient_TV.t().matmul(hidden_TD.mul(share_T1)));
        return new @Nullable Tensor[] {gradient_TV.matmul(output.tensor()).mulInPlace(share_T1), null};
    }
}
