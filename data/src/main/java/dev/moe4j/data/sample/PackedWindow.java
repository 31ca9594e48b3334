package dev.moe4j.data.sample;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Assigns the documents of a window to sequences. Sequences are numbered from 0. First come the pieces of full length,
 * document by document, then the sequences of packed remainders. Documents are numbered within the window.
 */
final class PackedWindow {
    /** The documents with pieces of full length. */
    private final short[] cut;
    /** The number of full pieces before each document in {@link #cut}, followed by the number of all full pieces. */
    private final long[] fullBefore;
    /** The documents with a remainder, sequence by sequence. The first of each sequence is stored as its complement. */
    private final short[] packed;

    private final int packedSequences;

    private PackedWindow(short[] cut, long[] fullBefore, List<List<Integer>> sequences) {
        this.cut = cut;
        this.fullBefore = fullBefore;
        this.packedSequences = sequences.size();
        this.packed = new short[sequences.stream().mapToInt(List::size).sum()];
        int at = 0;
        for (List<Integer> sequence : sequences) {
            packed[at] = (short) ~sequence.getFirst();
            at++;
            for (int document : sequence.subList(1, sequence.size())) {
                packed[at] = (short) document;
                at++;
            }
        }
    }

    /**
     * Packs documents.
     *
     * @param lengths the lengths of the documents in tokens; at most 2^15 documents
     * @param length the length of a sequence in tokens
     */
    static PackedWindow of(long[] lengths, int length) {
        int[] cut = IntStream.range(0, lengths.length)
                .filter(document -> lengths[document] >= length)
                .toArray();
        short[] documents = new short[cut.length];
        long[] fullBefore = new long[cut.length + 1];
        for (int i = 0; i < cut.length; i++) {
            documents[i] = (short) cut[i];
            fullBefore[i + 1] = fullBefore[i] + lengths[cut[i]] / length;
        }
        int[] rests =
                Arrays.stream(lengths).mapToInt(ids -> (int) (ids % length)).toArray();
        return new PackedWindow(documents, fullBefore, pack(rests, length));
    }

    /** Packs remainders by best-fit decreasing. Ties keep the document order, and empty remainders are omitted. */
    private static List<List<Integer>> pack(int[] rests, int length) {
        List<Integer> longestFirst = new ArrayList<>(IntStream.range(0, rests.length)
                .filter(i -> rests[i] > 0)
                .boxed()
                .toList());
        longestFirst.sort((a, b) -> Integer.compare(rests[b], rests[a]));
        List<List<Integer>> sequences = new ArrayList<>();
        TreeMap<Integer, List<List<Integer>>> bySpace = new TreeMap<>();
        for (int document : longestFirst) {
            int rest = rests[document];
            Map.@Nullable Entry<Integer, List<List<Integer>>> best = bySpace.ceilingEntry(rest);
            List<Integer> sequence;
            int space = length;
            if (best == null) {
                sequence = new ArrayList<>();
                sequences.add(sequence);
            } else {
                space = best.getKey();
                sequence = best.getValue().removeLast();
                if (best.getValue().isEmpty()) {
                    bySpace.remove(space);
                }
            }
            sequence.add(document);
            if (space > rest) {
                bySpace.computeIfAbsent(space - rest, _ -> new ArrayList<>()).add(sequence);
            }
        }
        sequences.forEach(sequence -> sequence.sort(null));
        return sequences;
    }

    long sequences() {
        return fullPieces() + packedSequences;
    }

    /** Returns the number of sequences that are one piece of full length. */
    long fullPieces() {
        return fullBefore[cut.length];
    }

    /**
     * A piece of full length.
     *
     * @param number the index of the piece in its document, from 0
     */
    record FullPiece(int document, long number) {}

    /** Returns the piece of a sequence whose number is below {@link #fullPieces}. */
    FullPiece fullPiece(long sequence) {
        int at = Arrays.binarySearch(fullBefore, sequence);
        int found = at < 0 ? -at - 2 : at;
        return new FullPiece(cut[found], sequence - fullBefore[found]);
    }

    /** Returns the documents of a packed sequence, in order. Packed sequences are numbered from 0 here. */
    int[] packed(long sequence) {
        int from = 0;
        long begun = packed[0] < 0 ? 0 : -1;
        while (begun < sequence) {
            from++;
            begun += packed[from] < 0 ? 1 : 0;
        }
        int to = from + 1;
        while (to < packed.length && packed[to] >= 0) {
            to++;
        }
        int[] documents = new int[to - from];
        documents[0] = ~packed[from];
        for (int i = 1; i < documents.length; i++) {
            documents[i] = packed[from + i];
        }
        return documents;
    }
}
