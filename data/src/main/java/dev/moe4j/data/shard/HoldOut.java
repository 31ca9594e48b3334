package dev.moe4j.data.shard;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;

/**
 * Chooses documents for validation by their text alone: the choice does not depend on names, order or other documents,
 * and equal documents land on the same side.
 *
 * @param fraction the expected share of documents held out, 0 (none) to below 1
 * @param seed another seed chooses other documents
 */
public record HoldOut(double fraction, long seed) {

    /** Nothing is held out. */
    public static final HoldOut NONE = new HoldOut(0, 0);

    /**
     * Checks the fraction.
     *
     * @throws DataException if it is not in range
     */
    public HoldOut {
        if (!(fraction >= 0 && fraction < 1)) {
            throw new DataException("cannot hold out a fraction of " + fraction + "; give one from 0 to below 1");
        }
    }

    /** Whether this text is held out. */
    public boolean holds(String text) {
        if (fraction == 0) {
            return false;
        }
        long hash = SplitMix64.mix(seed ^ 0x6d6f65346aL);
        for (int i = 0; i < text.length(); i++) {
            hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
        }
        return (SplitMix64.mix(hash ^ text.length()) >>> 11) * 0x1p-53 < fraction;
    }
}
