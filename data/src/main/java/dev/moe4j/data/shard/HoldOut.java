package dev.moe4j.data.shard;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;

/**
 * Selects the documents that are held out for validation, by a hash of their text. The selection does not depend on file
 * names, order or other documents, and equal documents go to the same split.
 *
 * @param fraction the expected fraction of documents held out, from 0 to below 1
 * @param seed the seed of the hash; another seed selects other documents
 */
public record HoldOut(double fraction, long seed) {

    /** Holds out no documents. */
    public static final HoldOut NONE = new HoldOut(0, 0);

    /**
     * Checks the fraction.
     *
     * @throws DataException if {@code fraction} is out of range
     */
    public HoldOut {
        if (!(fraction >= 0 && fraction < 1)) {
            throw new DataException("cannot hold out a fraction of " + fraction + "; give one from 0 to below 1");
        }
    }

    /** Whether a document with this text is held out. */
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
