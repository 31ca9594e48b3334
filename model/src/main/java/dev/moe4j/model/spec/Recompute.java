package dev.moe4j.model.spec;

import dev.moe4j.tensor.autograd.Tape;
import java.util.Locale;

/**
 * What training keeps of the forward pass for the backward pass, and what backward computes again (Chen et al. 2016).
 * The numbers are the same bit for bit: routing assignments are kept, and dropout follows from its keys.
 *
 * <p>Per token and in elements, with D the model's width, F that of the feed-forward network, S the context and H the
 * heads, a dense layer keeps about 8 D + 2 F + H·S / 2 elements. Of these, {@link #SELECTIVE} keeps what costs D
 * operations an element or more, which products give: queries, keys, values, what attention and the network give, and
 * the network's inner values, 6 D + F. What activations, norms, gathers and dropout made of them costs about one
 * operation an element; the attention weights cost 2 D / H, one of the layer's products in 20 at the most (Korthikanti
 * et al. 2022). {@link #FULL} keeps each layer's input, D elements, and the assignments; it runs every layer forward
 * twice, a third more work.
 */
public enum Recompute {
    NONE,
    SELECTIVE,
    FULL;

    /** For sections whose results cost little: norms, routing, dispatch. */
    public Tape.Retention cheap() {
        return this == NONE ? Tape.Retention.KEEP : Tape.Retention.RECOMPUTE;
    }

    /** For sections whose results cost products. */
    public Tape.Retention costly() {
        return this == FULL ? Tape.Retention.RECOMPUTE : Tape.Retention.KEEP;
    }

    /**
     * Whether sections of costly products leave out of what they save what these products' results give again. When a
     * section as a whole runs again, it need not.
     */
    public boolean lean() {
        return this == SELECTIVE;
    }

    /** The name in configurations. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
