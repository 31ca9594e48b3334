package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import java.util.Arrays;

/**
 * Indexes the MinHash signatures of the kept documents, to find the documents that resemble a new one. Each band has a
 * hash table of linked lists, newest document first. A document takes 280 to 400 bytes: 120 bytes for the signature and,
 * for each band, 4 to 8 bytes in the table and 4 to 6 bytes in the list.
 */
final class NearDuplicates {
    /** The maximum number of comparisons per band. Longer lists come from boilerplate that thousands share. */
    private static final int MAX_COMPARISONS = 256;

    private static final int CHUNK = 1 << 14;

    private final double threshold;
    private final int[][] heads = new int[MinHash.BANDS][];
    private final int[][] nexts = new int[MinHash.BANDS][];
    private byte[][] signatures = new byte[0][];
    private int size;

    /**
     * Creates an empty index.
     *
     * @param threshold the minimum estimated Jaccard index of near duplicates
     */
    NearDuplicates(double threshold) {
        this.threshold = threshold;
        resize(1 << 10);
    }

    /** A similar document and the estimated Jaccard index; the document is -1 if there is none. */
    record Match(int document, double similarity) {
        static final Match NONE = new Match(-1, 0);
    }

    /** Returns the most similar document at or above the threshold, or {@link Match#NONE}. Ties go to the first one. */
    Match find(byte[] signature) {
        Match best = Match.NONE;
        for (int band = 0; band < MinHash.BANDS; band++) {
            int at = heads[band][slot(signature, 0, band)];
            for (int compared = 0; at >= 0 && compared < MAX_COMPARISONS; compared++) {
                double similarity = MinHash.similarity(equal(signature, at));
                if (similarity >= threshold
                        && (similarity > best.similarity || (similarity == best.similarity && at < best.document))) {
                    best = new Match(at, similarity);
                }
                at = nexts[band][at];
            }
        }
        return best;
    }

    private int equal(byte[] signature, int document) {
        byte[] chunk = signatures[document / CHUNK];
        int from = document % CHUNK * MinHash.SIZE;
        int equal = 0;
        for (int i = 0; i < MinHash.SIZE; i++) {
            equal += signature[i] == chunk[from + i] ? 1 : 0;
        }
        return equal;
    }

    /** Adds a document and returns its number, counted from 0. */
    int add(byte[] signature) {
        if (size == nexts[0].length) {
            resize(Math.addExact(size, size));
        }
        if (size / CHUNK == signatures.length) {
            signatures = Arrays.copyOf(signatures, signatures.length + 1);
            signatures[size / CHUNK] = new byte[CHUNK * MinHash.SIZE];
        }
        System.arraycopy(signature, 0, signatures[size / CHUNK], size % CHUNK * MinHash.SIZE, MinHash.SIZE);
        link(size);
        return size++;
    }

    private void link(int document) {
        for (int band = 0; band < MinHash.BANDS; band++) {
            int slot = slot(signatures[document / CHUNK], document % CHUNK * MinHash.SIZE, band);
            nexts[band][document] = heads[band][slot];
            heads[band][slot] = document;
        }
    }

    private void resize(int capacity) {
        for (int band = 0; band < MinHash.BANDS; band++) {
            heads[band] = new int[capacity];
            Arrays.fill(heads[band], -1);
            nexts[band] = new int[capacity];
        }
        for (int document = 0; document < size; document++) {
            link(document);
        }
    }

    private int slot(byte[] bytes, int from, int band) {
        long hash = band;
        for (int row = 0; row < MinHash.ROWS; row++) {
            hash = hash << 8 | (bytes[from + band * MinHash.ROWS + row] & 0xff);
        }
        return (int) SplitMix64.mix(hash) & (heads[band].length - 1);
    }
}
