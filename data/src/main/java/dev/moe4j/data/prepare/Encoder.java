package dev.moe4j.data.prepare;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.data.shard.IdType;
import dev.moe4j.data.shard.ShardWriter;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/**
 * Encodes documents on many threads and writes them in the order in which they were added.
 *
 * <p>Documents are gathered into batches of some {@link #BATCH} characters; a longer one is cut into segments that the
 * tokenizer encodes alike on their own, so one large document keeps all threads busy too. The thread that adds also
 * writes: when {@code 2 × threads + 2} batches are on their way it waits for the oldest. What is in memory is bounded by
 * those batches, ids included, and the documents they point into.
 */
final class Encoder implements AutoCloseable {
    private static final int BATCH = 1 << 17;

    private final Tokenizer tokenizer;
    private final IdType type;
    private final boolean linesEnd;
    private final OrderedExecutor<Encoded> work;
    private final Runnable written;
    private List<Piece> batch = new ArrayList<>();
    private int batchChars;

    /**
     * Starts the threads.
     *
     * @param linesEnd whether each line of a document, and the document, ends with an end of text; else the document
     * @param written runs on the adding thread whenever a batch has been written
     */
    Encoder(Tokenizer tokenizer, boolean linesEnd, int threads, Runnable written) {
        this.tokenizer = tokenizer;
        this.type = IdType.forVocabulary(tokenizer.vocabularySize());
        this.linesEnd = linesEnd;
        this.work = new OrderedExecutor<>("encode", threads, this::write);
        this.written = written;
    }

    /** Part of a document's text, which it ends if {@code ends}. */
    private record Piece(ShardWriter shard, String text, int from, int to, boolean ends) {}

    /** The ids of a batch as the files have them, piece after piece, and what is to be done when they are written. */
    private record Encoded(List<Piece> pieces, int[] counts, byte[] packed, Runnable after) {}

    void add(ShardWriter shard, String document) {
        String text = linesEnd ? document.replace("\r\n", "\n") : document;
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

    /** Runs this, on the thread that adds, when all that was added before has been written. */
    void then(Runnable action) {
        submit(action);
    }

    /** Writes what is left. */
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
                if (linesEnd) {
                    ids.accept(tokenizer.endOfText()); // the blank line's
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
        if (linesEnd) {
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

    /** Stops the threads, and waits until they have. */
    @Override
    public void close() {
        work.close();
    }
}
