package dev.moe4j.model.block;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Dropout at one site of one layer (Srivastava et al. 2014). The mask of a sequence depends only on the step's key, the
 * site and the sequence's global number, so it does not depend on micro-batches or processes, and backward can draw it
 * again.
 */
public final class Dropout {

    private final double probability;
    private final PassContext pass;
    private final String site;

    public Dropout(double probability, PassContext pass, String site) {
        this.probability = probability;
        this.pass = pass;
        this.site = site;
    }

    public boolean active() {
        return pass.training() && probability > 0;
    }

    /**
     * The factors to multiply {@code like} by, 0 or 1/(1 − p); null if dropout is inactive.
     *
     * @param like a tensor of the pass's sequences, in order
     */
    @Nullable
    public Tensor mask(Tensor like) {
        if (!active()) {
            return null;
        }
        return factors(like);
    }

    /** Multiplies x in place by a {@link #mask}, or by nothing if that is null; returns x. */
    public static Tensor multiply(Tensor x, @Nullable Tensor mask) {
        return mask == null ? x : x.mulInPlace(mask);
    }

    /** As {@link #mask}, for active dropout. */
    public Tensor factors(Tensor like) {
        RandomKey key = pass.key().fold(site);
        Tensor perSequence = like.view(pass.sequences().length, -1);
        return key.dropoutMask(perSequence, 1 - probability, pass.sequences()).view(like.shape());
    }

    /** {@code x} with dropout; x itself if dropout is inactive. */
    Tensor apply(Tensor x) {
        Tensor mask = mask(x);
        return mask == null ? x : x.mul(mask);
    }
}
