package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import java.util.Arrays;

/**
 * Signatures whose agreement estimates the Jaccard index of texts: the share that the sets of {@link #SHINGLE} words in
 * a row have in common, of all that are in either. (Broder, "On the resemblance and containment of documents", 1997; of
 * each minimum the lowest 8 bits are kept: Li and König, "b-bit minwise hashing", 2010.)
 *
 * <p>A signature is {@link #BANDS} bands of {@link #ROWS} bytes. Texts that agree in a whole band are compared, which
 * those of an index s are with a probability of 1 − (1 − s⁶)²⁰: 0.27 for 0.5, 0.92 for 0.7, 0.998 for 0.8. The standard
 * error of the estimate is √(s(1−s)/120): 0.037 at 0.8.
 */
public final class MinHash {
    /** The words in a row that are compared. */
    public static final int SHINGLE = 5;

    static final int BANDS = 20;
    static final int ROWS = 6;
    static final int SIZE = BANDS * ROWS;

    private static final long[] FACTORS = new long[SIZE];
    private static final long[] SUMMANDS = new long[SIZE];

    static {
        for (int i = 0; i < SIZE; i++) {
            FACTORS[i] = SplitMix64.mix(2L * i) | 1;
            SUMMANDS[i] = SplitMix64.mix(2L * i + 1);
        }
    }

    private final Words.Grams grams = new Words.Grams(SHINGLE);
    private final int[] least = new int[SIZE];

    MinHash() {
        Arrays.fill(least, Integer.MAX_VALUE);
    }

    void add(long word) {
        if (grams.add(word)) {
            long shingle = grams.hash();
            for (int i = 0; i < SIZE; i++) {
                int value = (int) ((shingle * FACTORS[i] + SUMMANDS[i]) >>> 33);
                least[i] = Math.min(least[i], value);
            }
        }
    }

    /** The signature; empty if there are fewer words than a shingle. */
    byte[] signature() {
        if (grams.words() < SHINGLE) {
            return new byte[0];
        }
        byte[] signature = new byte[SIZE];
        for (int i = 0; i < SIZE; i++) {
            signature[i] = (byte) least[i];
        }
        return signature;
    }

    /** The estimate of the Jaccard index from the number of bytes that two signatures have in common. */
    static double similarity(int equal) {
        double chance = 1.0 / 256; // that bytes of different minima agree
        return Math.max(0, ((double) equal / SIZE - chance) / (1 - chance));
    }
}
