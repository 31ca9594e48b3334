package dev.moe4j.data;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Sequences of whole documents. A document that fits into a sequence is never cut; a longer one is cut into pieces of a
 * sequence's length and a rest. Documents and rests are packed by best fit, longest first (Ding et al. 2024, "Fewer
 * truncations improve language modeling"), so little of a sequence stays empty.
 *
 * <p>Packing goes on within {@link #WINDOW} documents in a row, so a sequence is found by packing its window anew: what
 * is kept in memory is the number of each window's first sequence, 8 bytes for 1024 documents, whatever their length, and
 * the last window's packing. Opening packs every window once, on all cores.
 *
 * <p>Every id is predicted once an epoch. A sequence's first input is the id before its first target, or the end of text
 * where a document begins; in a sequence it is the end of the document before.
 */
public final class DocumentSampler implements TrainingSequences {
    /** Documents that are packed together. */
    static final int WINDOW = 1024;

    private final DocumentStream stream;
    private final int length;
    private final int endOfText;
    private final long seed;
    /** The number of each window's first sequence before shuffling, and behind the last one that of all. */
    private final long[] firstSequences;

    private volatile @Nullable Window last;

    /**
     * A sampler.
     *
     * @param length ids that are predicted in a sequence at most, at least 1
     * @param endOfText the id that documents begin behind
     * @throws DataException if there is no id
     */
    public DocumentSampler(DocumentStream stream, int length, int endOfText, long seed) {
        if (length < 1) {
            throw new DataException("cannot fill sequences of " + length + " tokens; give at least 1");
        }
        if (stream.tokens() == 0) {
            throw new DataException("the text has no tokens; give more text");
        }
        this.stream = stream;
        this.length = length;
        this.endOfText = endOfText;
        this.seed = seed;
        long[] counts = LongStream.range(0, Math.ceilDiv(stream.documents(), WINDOW))
                .parallel()
                .map(window -> new Window(window).sequences())
                .toArray();
        firstSequences = new long[counts.length + 1];
        for (int i = 0; i < counts.length; i++) {
            firstSequences[i + 1] = firstSequences[i] + counts[i];
        }
    }

    @Override
    public int length() {
        return length;
    }

    @Override
    public long sequencesPerEpoch() {
        return firstSequences[firstSequences.length - 1];
    }

    @Override
    public void sequence(long number, int[] out) {
        Objects.checkFromIndexSize(0, length + 1, out.length);
        List<Piece> pieces = pieces(number);
        Piece first = pieces.getFirst();
        if (first.begins) {
            out[0] = endOfText;
        } else {
            stream.copyTokens(first.start - 1, out, 0, 1);
        }
        int at = 1;
        for (Piece piece : pieces) {
            stream.copyTokens(piece.start, out, at, piece.count);
            at += piece.count;
        }
        Arrays.fill(out, at, length + 1, NONE);
    }

    @Override
    public int[] documentStarts(long number) {
        List<Piece> pieces = pieces(number);
        int[] starts = new int[pieces.size()];
        int at = 0;
        for (int i = 0; i < starts.length; i++) {
            at += pieces.get(i).count;
            starts[i] = at;
        }
        return at < length ? starts : Arrays.copyOf(starts, starts.length - 1);
    }

    private List<Piece> pieces(long number) {
        if (number < 0) {
            throw new IndexOutOfBoundsException("sequence " + number);
        }
        long perEpoch = sequencesPerEpoch();
        long key = Mix.epochKey(seed, number / perEpoch);
        long sequence = new Permutation(perEpoch, key).get(number % perEpoch);
        int at = Arrays.binarySearch(firstSequences, sequence);
        int found = at < 0 ? -at - 2 : at;
        while (firstSequences[found + 1] == sequence) { // a window of empty documents
            found++;
        }
        Window window = last;
        if (window == null || window.number != found) {
            window = new Window(found);
            last = window;
        }
        return window.pieces(sequence - firstSequences[found]);
    }

    /** Ids of one document in a row. */
    private record Piece(long start, int count, boolean begins) {}

    /** Some documents in a row, packed: first the pieces that fill a sequence, then what is left. */
    private final class Window {
        private final long number;
        /** Of each document the pieces of full length in it and those before it. */
        private final long[] fullBefore;

        private final List<List<Piece>> packed;

        Window(long number) {
            this.number = number;
            long from = number * WINDOW;
            int count = (int) Math.min(WINDOW, stream.documents() - from);
            fullBefore = new long[count + 1];
            List<Piece> rests = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                long start = stream.documentStart(from + i);
                long ids = stream.documentStart(from + i + 1) - start;
                fullBefore[i + 1] = fullBefore[i] + ids / length;
                int rest = (int) (ids % length);
                if (rest > 0) {
                    rests.add(new Piece(start + ids - rest, rest, ids < length));
                }
            }
            packed = pack(rests);
        }

        long sequences() {
            return fullBefore[fullBefore.length - 1] + packed.size();
        }

        List<Piece> pieces(long sequence) {
            long full = fullBefore[fullBefore.length - 1];
            if (sequence >= full) {
                return packed.get((int) (sequence - full));
            }
            int at = Arrays.binarySearch(fullBefore, sequence);
            int document = at < 0 ? -at - 2 : at;
            while (fullBefore[document + 1] == sequence) { // shorter documents
                document++;
            }
            long piece = sequence - fullBefore[document];
            long start = stream.documentStart(number * WINDOW + document) + piece * length;
            return List.of(new Piece(start, length, piece == 0));
        }

        private List<List<Piece>> pack(List<Piece> rests) {
            List<Piece> longestFirst = new ArrayList<>(rests);
            longestFirst.sort((a, b) -> Integer.compare(b.count, a.count)); // keeps the order of equal ones
            List<List<Piece>> sequences = new ArrayList<>();
            TreeMap<Integer, List<List<Piece>>> byRoom = new TreeMap<>();
            for (Piece piece : longestFirst) {
                Map.@Nullable Entry<Integer, List<List<Piece>>> best = byRoom.ceilingEntry(piece.count);
                List<Piece> sequence;
                int room = length;
                if (best == null) {
                    sequence = new ArrayList<>();
                    sequences.add(sequence);
                } else {
                    room = best.getKey();
                    sequence = best.getValue().removeLast();
                    if (best.getValue().isEmpty()) {
                        byRoom.remove(room);
                    }
                }
                sequence.add(piece);
                if (room > piece.count) {
                    byRoom.computeIfAbsent(room - piece.count, _ -> new ArrayList<>())
                            .add(sequence);
                }
            }
            sequences.forEach(sequence -> sequence.sort((a, b) -> Long.compare(a.start, b.start)));
            return sequences;
        }
    }
}
