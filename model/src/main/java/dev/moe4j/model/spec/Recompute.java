package dev.moe4j.model.spec;

import dev.moe4j.tensor.autograd.Tape;
import java.util.Locale;

/**
 * Activation recomputation: which activations training keeps from the forward pass, and which backward computes again
 * (Chen et al. 2016). Results are bitwise equal for all settings: routing assignments are kept, and dropout is derived
 * from its keys.
 *
 * <p>Per token, a dense layer keeps about 8 D + 2 F + H·S / 2 elements, with model width D, feed-forward width F,
 * context S and H heads. {@link #SELECTIVE} keeps only the results of matrix products, which cost at least D operations
 * per element: queries, keys, values, the outputs of attention and of the network, and the network's inner values.
 * These are 6 D + F elements. It recomputes activation functions, norms, gathers and dropout, at about one operation
 * per element. It also recomputes attention weights, at 2 D / H operations per element, which is at most one in 20 of
 * the layer's products (Korthikanti et al. 2022). {@link #FULL} keeps each layer's input, D elements, and the routing
 * assignments. It runs every layer forward twice, which adds a third of the work.
 */
public enum Recompute {
    NONE,
    SELECTIVE,
    FULL;

    /** The retention of sections that are cheap to recompute: norms, routing, dispatch. */
    public Tape.Retention cheap() {
        return this == NONE ? Tape.Retention.KEEP : Tape.Retention.RECOMPUTE;
    }

    /** The retention of sections with expensive matrix products. */
    public Tape.Retention costly() {
        return this == FULL ? Tape.Retention.RECOMPUTE : Tape.Retention.KEEP;
    }

    /**
     * Whether a section with expensive products saves the products' results only and recomputes the rest in backward. A
     * section that is recomputed as a whole need not.
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
