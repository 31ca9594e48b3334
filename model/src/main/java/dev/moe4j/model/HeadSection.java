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
 * Output product with the tied embedding, log-softmax and negative log-likelihood. Inputs: hidden states [tokens,
 * model] and targets [tokens]. Outputs: the loss, a scalar that backward starts from, and each token's negative
 * log-likelihood in nats [tokens], 0 where there is no target.
 *
 * <p>Works through the tokens in chunks, so that logits exist in the compute type only, never [tokens, vocabulary] in
 * float32; the gradient of the logits is made in the same sweep, since the softmax is at hand.
 */
final class HeadSection implements Section.Written {

    /** Logits in a chunk: small enough for the cache, large enough for the products. */
    private static final long CHUNK_LOGITS = 1 << 22;

    private final Parameter embedding;
    private final DType stable;
    private final double lossPerToken;

    /**
     * @param stable the type of the log-softmax
     * @param lossPerToken what each token's loss counts in the scalar
     */
    HeadSection(Parameter embedding, DType stable, double lossPerToken) {
        this.embedding = embedding;
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
        Tensor table_VD = embedding.tensor();
        long tokens = hidden_TD.size(0);
        long vocabulary = table_VD.size(0);
        long chunk = Math.max(1, CHUNK_LOGITS / vocabulary);
        Tensor nll_T = Tensor.empty(stable, hidden_TD.device(), tokens);
        Tensor gradient_TV =
                saved.recording() ? Tensor.empty(hidden_TD.dtype(), hidden_TD.device(), tokens, vocabulary) : null;
        for (long from = 0; from < tokens; from += chunk) {
            long n = Math.min(chunk, tokens - from);
            try (Scope _ = Scope.open()) {
                Tensor logits_NV = Functions.linear(hidden_TD.narrow(0, from, n), table_VD);
                Tensor targets_N = targets_T.narrow(0, from, n);
                Tensor given_N1 = targets_N.lessThan(0).not().to(stable).unsqueeze(1);
                Tensor index_N1 = targets_N.clampMin(0).unsqueeze(1);
                Tensor logP_NV = logits_NV.to(stable).logSoftmax(-1);
                nll_T.narrow(0, from, n)
                        .copy(logP_NV.gather(1, index_N1).mul(given_N1).mul(-1).squeeze(1));
                if (gradient_TV != null) {
                    Tensor scale_N1 = given_N1.mul(lossPerToken);
                    Tensor gradient_NV = Functions.expInPlace(logP_NV).mulInPlace(scale_N1);
                    gradient_NV.scatterAddInPlace(1, index_N1, scale_N1.mul(-1));
                    gradient_TV.narrow(0, from, n).copy(gradient_NV);
                }
            }
        }
        if (gradient_TV != null) {
            saved.save(hidden_TD, gradient_TV);
        }
        return new Tensor[] {nll_T.sum().mul(lossPerToken), nll_T};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        // The loss is a root: its gradient is 1, and lossPerToken is already in the logits' gradient.
        Tensor hidden_TD = saved.get(0);
        Tensor gradient_TV = saved.get(1);
        embedding.addGradient(gradient_TV.t().matmul(hidden_TD));
        return new @Nullable Tensor[] {gradient_TV.matmul(embedding.tensor()), null};
    }
}
