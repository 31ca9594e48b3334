package dev.moe4j.model.spec;

/**
 * Rotary position embedding (RoPE, Su et al. 2021) of queries and keys, in the form that rotates the two halves of a
 * head (GPT-NeoX). Used if {@code model.positions} is {@code rope}. Configuration keys are these names under {@code
 * model.rope}.
 *
 * @param theta the base of the frequencies: pair i of a head with d rotated elements turns by theta^(−2i/d) radians per
 *     position
 * @param fraction the fraction of a head's elements that are rotated; the others carry no position
 */
public record RopeConfig(double theta, double fraction) {

    /** All elements, with the frequencies of the paper. */
    public static final RopeConfig DEFAULT = new RopeConfig(10_000, 1);

    public RopeConfig {
        if (!(theta > 1 && theta < Double.POSITIVE_INFINITY)) {
            throw new ModelException("model.rope.theta: " + theta + " is out of range; use a number above 1");
        }
        if (!(fraction > 0 && fraction <= 1)) {
            throw new ModelException(
                    "model.rope.fraction: " + fraction + " is out of range; use a number above 0, at most 1");
        }
    }

    /** The number of rotated elements of a head, an even number. */
    public int rotated(int headWidth) {
        return (int) (headWidth * fraction) / 2 * 2;
    }
}
