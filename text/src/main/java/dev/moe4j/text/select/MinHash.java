package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import java.util.Arrays;

/**
 * Computes MinHash signatures. The agreement of two signatures estimates the Jaccard index of two texts: the number of
 * shared shingles divided by the number of shingles in either text. A shingle is {@link #SHINGLE} consecutive words. See
 * Broder, "On the resemblance and containment of documents", 1997. A signature keeps the lowest 8 bits of each minimum,
 * following Li and König, "b-bit minwise hashing", 2010.
 *
 * <p>A signature has {@link #BANDS} bands of {@link #ROWS} bytes (locality-sensitive hashing). Two texts are compared if
 * they agree in at least one band. For a Jaccard index s, the probability of this is 1 − (1 − s⁶)²⁰, which is 0.27 for
 * 0.5, 0.92 for 0.7 and 0.998 for 0.8. The standard error of the estimate is √(s(1−s)/120), which is 0.037 at 0.8.
 */
public final class MinHash {
    /** The number of consecutive words in a shingle. */
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
    private final int[] minima = new int[SIZE];

    MinHash() {
        Arrays.fill(minima, Integer.MAX_VALUE);
    }

    /** Adds the hash of the next word. */
    void add(long word) {
        if (grams.add(word)) {
            long shingle = grams.hash();
            for (int i = 0; i < SIZE; i++) {
                int value = (int) ((shingle * FACTORS[i] + SUMMANDS[i]) >>> 33);
                minima[i] = Math.min(minima[i], value);
            }
        }
    }

    /** Returns the signature, {@code [SIZE]}; empty if the text has fewer words than a shingle. */
    byte[] signature() {
        if (grams.words() < SHINGLE) {
            return new byte[0];
        }
        byte[] signature = new byte[SIZE];
        for (int i = 0; i < SIZE; i++) {
            signature[i] = (byte) minima[i];
        }
        return signature;
    }

    /** Estimates the Jaccard index from the number of equal bytes in two signatures. */
    static double similarity(int equal) {
        double chance = 1.0 / 256; // the probability that different minima have equal bytes
        return Math.max(0, ((double) equal / SIZE - chance) / (1 - chance));
    }
}
