package dev.moe4j.data.sample;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.LongStream;

/**
 * Packs complete documents into training sequences (sequence packing). A document that fits into a sequence is never cut.
 * A longer document is cut into pieces of the sequence length and a remainder. Documents and remainders are packed by
 * best-fit decreasing (Ding et al. 2024, "Fewer truncations improve language modeling"), so sequences need little padding.
 *
 * <p>Packing is limited to windows of {@link #WINDOW} consecutive documents. The constructor packs every window, on all
 * cores, and keeps the assignment of documents to sequences. This takes 2 bytes per document, and 10 bytes per document
 * that is at least as long as a sequence.
 *
 * <p>Every token is predicted once per epoch. The first input of a sequence is the token before its first target, or the
 * end of text if a document begins there. Later documents in a sequence follow the end of text of the previous document.
 */
public final class DocumentSampler implements TrainingSequences {
    /** The number of consecutive documents that are packed together. */
    public static final int WINDOW = 1024;

    private final DocumentStream stream;
    private final int length;
    private final int endOfText;
    private final long seed;
    /** The unshuffled number of the first sequence of each window, followed by the number of all sequences. */
    private final long[] firstSequences;

    private final PackedWindow[] windows;

    /**
     * Creates a sampler and packs all documents.
     *
     * @param length the maximum number of predicted tokens in a sequence, at least 1
     * @param endOfText the first input of a document
     * @param seed the seed of the order of the sequences
     * @throws DataException if {@code length} is below 1, or the stream has no tokens
     */
    public DocumentSampler(DocumentStream stream, int length, int endOfText, long seed) {
        if (length < 1) {
            throw new DataException("cannot fill sequences of " + length + " tokens; give at least 1");
        }
        if (stream.tokens() == 0) {
            throw new DataException("the text has 0 tokens; give more text");
        }
        this.stream = stream;
        this.length = length;
        this.endOfText = endOfText;
        this.seed = seed;
        windows = LongStream.range(0, Math.ceilDiv(stream.documents(), WINDOW))
                .parallel()
                .mapToObj(this::pack)
                .toArray(PackedWindow[]::new);
        firstSequences = new long[windows.length + 1];
        for (int i = 0; i < windows.length; i++) {
            firstSequences[i + 1] = firstSequences[i] + windows[i].sequences();
        }
    }

    private PackedWindow pack(long window) {
        long from = window * WINDOW;
        int count = (int) Math.min(WINDOW, stream.documents() - from);
        long[] lengths = new long[count];
        for (int i = 0; i < count; i++) {
            lengths[i] = stream.documentStart(from + i + 1) - stream.documentStart(from + i);
        }
        return PackedWindow.of(lengths, length);
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
        long key = SplitMix64.epochKey(seed, number / perEpoch);
        long sequence = new Permutation(perEpoch, key).get(number % perEpoch);
        int at = Arrays.binarySearch(firstSequences, sequence);
        int found = at < 0 ? -at - 2 : at;
        while (firstSequences[found + 1] == sequence) { // a window of empty documents
            found++;
        }
        return pieces(found, sequence - firstSequences[found]);
    }

    private List<Piece> pieces(int number, long sequence) {
        PackedWindow window = windows[number];
        long first = (long) number * WINDOW;
        if (sequence < window.fullPieces()) {
            PackedWindow.FullPiece full = window.fullPiece(sequence);
            long start = stream.documentStart(first + full.document()) + full.number() * length;
            return List.of(new Piece(start, length, full.number() == 0));
        }
        return Arrays.stream(window.packed(sequence - window.fullPieces()))
                .mapToObj(document -> rest(first + document))
                .toList();
    }

    /** Returns the remainder of a document after its pieces of full length. */
    private Piece rest(long document) {
        long end = stream.documentStart(document + 1);
        long ids = end - stream.documentStart(document);
        int rest = (int) (ids % length);
        return new Piece(end - rest, rest, ids < length);
    }

    /** Consecutive tokens of one document; {@code begins} is true if they start the document. */
    private record Piece(long start, int count, boolean begins) {}
}
