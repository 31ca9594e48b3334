package dev.moe4j.data.prepare;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.data.shard.IdType;
import dev.moe4j.data.shard.ShardWriter;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/**
 * Tokenizes documents on many threads and writes them in the order in which they were added.
 *
 * <p>Documents are collected into batches of about {@link #BATCH} characters. A long document is cut into segments that
 * the tokenizer can encode independently, so one large document also keeps all threads busy. The thread that adds
 * documents also writes them: when {@code 2 × threads + 2} batches are pending, it waits for the oldest. Memory is
 * bounded by these batches with their token ids, and by the documents they refer to.
 */
final class Encoder implements AutoCloseable {
    private static final int BATCH = 1 << 17;

    private final Tokenizer tokenizer;
    private final IdType type;
    private final boolean endLines;
    private final OrderedExecutor<Encoded> work;
    private final Runnable written;
    private List<Piece> batch = new ArrayList<>();
    private int batchChars;

    /**
     * Starts the threads.
     *
     * @param endLines whether an end of text follows each line and not only each document
     * @param written a listener that is called on the adding thread after each written batch
     */
    Encoder(Tokenizer tokenizer, boolean endLines, int threads, Runnable written) {
        this.tokenizer = tokenizer;
        this.type = IdType.forVocabulary(tokenizer.vocabularySize());
        this.endLines = endLines;
        this.work = new OrderedExecutor<>("encode", threads, this::write);
        this.written = written;
    }

    /** A part of a document's text; {@code ends} is true for the last part. */
    private record Piece(ShardWriter shard, String text, int from, int to, boolean ends) {}

    /**
     * An encoded batch.
     *
     * @param counts the number of ids of each piece
     * @param packed the ids of all pieces, in file format
     * @param after an action to run after the batch is written
     */
    private record Encoded(List<Piece> pieces, int[] counts, byte[] packed, Runnable after) {}

    /** Adds a document, whose ids will be appended to {@code shard}. */
    void add(ShardWriter shard, String document) {
        String text = endLines ? document.replace("\r\n", "\n") : document;
        for (int from = 0; from < text.length(); ) {
            int to = tokenizer.segmentEnd(text, from);
            batch.add(new Piece(shard, text, from, to, to == text.length()));
            batchChars += to - from;
            if (batchChars >= BATCH) {
                submit(() -> {});
            }
            from = to;
        }
    }

    /** Schedules an action to run on the adding thread after all documents added so far are written. */
    void then(Runnable action) {
        submit(action);
    }

    /** Writes all remaining documents. */
    void finish() {
        submit(() -> {});
        work.finish();
    }

    private void submit(Runnable after) {
        List<Piece> pieces = batch;
        work.add(() -> encode(pieces, after));
        batch = new ArrayList<>();
        batchChars = 0;
    }

    private Encoded encode(List<Piece> pieces, Runnable after) {
        int[] counts = new int[pieces.size()];
        int chars = pieces.stream().mapToInt(p -> p.to - p.from + 1).sum();
        IntList ids = new IntList(chars / 2 + 16);
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            int before = ids.size();
            encode(piece.text.substring(piece.from, piece.to), ids);
            if (piece.ends) {
                ids.accept(tokenizer.endOfText());
                if (endLines) {
                    ids.accept(tokenizer.endOfText()); // for the blank line
                }
            }
            counts[i] = ids.size() - before;
        }
        byte[] packed = new byte[Math.multiplyExact(ids.size(), type.width)];
        type.pack(ids.toArray(), 0, ids.size(), tokenizer.vocabularySize(), packed);
        return new Encoded(pieces, counts, packed, after);
    }

    private void encode(String text, IntList ids) {
        int from = 0;
        if (endLines) {
            for (int end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
                tokenizer.encode(text.substring(from, end), ids);
                ids.accept(tokenizer.endOfText());
                from = end + 1;
            }
        }
        tokenizer.encode(text.substring(from), ids);
    }

    private void write(Encoded encoded) {
        int at = 0;
        for (int i = 0; i < encoded.counts.length; i++) {
            Piece piece = encoded.pieces.get(i);
            piece.shard.append(encoded.packed, at, encoded.counts[i]);
            at += encoded.counts[i];
            if (piece.ends) {
                piece.shard.endDocument();
            }
        }
        encoded.after.run();
        written.run();
    }

    /** Stops the threads and waits for them to end. */
    @Override
    public void close() {
        work.close();
    }
}
