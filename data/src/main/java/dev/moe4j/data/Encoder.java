package dev.moe4j.data;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

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
    private final int window;
    private final ExecutorService threads;
    private final Deque<Future<Encoded>> pending = new ArrayDeque<>();
    private final Runnable written;
    private List<Piece> batch = new ArrayList<>();
    private int batchChars;

    /**
     * Starts the threads.
     *
     * @param written runs on the adding thread whenever a batch has been written
     */
    Encoder(Tokenizer tokenizer, int threads, Runnable written) {
        this.tokenizer = tokenizer;
        this.window = 2 * threads + 2;
        this.threads = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name("encode-", 0).factory());
        this.written = written;
    }

    /** Part of a document's text, which it ends if {@code ends}. */
    private record Piece(SplitWriter split, String text, int from, int to, boolean ends) {}

    /** The ids of a batch as the files have them, piece after piece. */
    private static final class Encoded {
        final List<Piece> pieces;
        final int[] counts;
        final long[] textBytes;
        byte[] packed = {};

        Encoded(List<Piece> pieces) {
            this.pieces = pieces;
            this.counts = new int[pieces.size()];
            this.textBytes = new long[pieces.size()];
        }
    }

    /** A shard that is being written, and the length of its text. */
    static final class SplitWriter {
        final ShardWriter shard;
        long textBytes;

        SplitWriter(ShardWriter shard) {
            this.shard = shard;
        }
    }

    void add(SplitWriter split, String text) {
        for (int from = 0; from < text.length(); ) {
            int to = tokenizer.segmentEnd(text, from);
            batch.add(new Piece(split, text, from, to, to == text.length()));
            batchChars += to - from;
            if (batchChars >= BATCH) {
                submit();
            }
            from = to;
        }
    }

    /** Writes what is left. */
    void finish() {
        submit();
        while (!pending.isEmpty()) {
            writeOldest();
        }
    }

    private void submit() {
        if (batch.isEmpty()) {
            return;
        }
        if (pending.size() == window) {
            writeOldest();
        }
        List<Piece> pieces = batch;
        pending.addLast(threads.submit(() -> encode(pieces)));
        batch = new ArrayList<>();
        batchChars = 0;
    }

    private Encoded encode(List<Piece> pieces) {
        Encoded encoded = new Encoded(pieces);
        int chars = pieces.stream().mapToInt(p -> p.to - p.from + 1).sum();
        IntList ids = new IntList(chars / 2 + 16);
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            int before = ids.size();
            String text = piece.text.substring(piece.from, piece.to);
            tokenizer.encode(text, ids);
            if (piece.ends) {
                ids.accept(tokenizer.endOfText());
            }
            encoded.counts[i] = ids.size() - before;
            encoded.textBytes[i] = Utf8.length(text);
        }
        ShardWriter shard = pieces.getFirst().split.shard;
        encoded.packed = new byte[Math.multiplyExact(ids.size(), shard.width())];
        shard.pack(ids.toArray(), 0, ids.size(), encoded.packed);
        return encoded;
    }

    private void writeOldest() {
        Encoded encoded;
        try {
            encoded = pending.removeFirst().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DataException("interrupted while encoding; run it again", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
        int at = 0;
        for (int i = 0; i < encoded.counts.length; i++) {
            Piece piece = encoded.pieces.get(i);
            piece.split.shard.append(encoded.packed, at, encoded.counts[i]);
            piece.split.textBytes += encoded.textBytes[i];
            at += encoded.counts[i];
            if (piece.ends) {
                piece.split.shard.endDocument();
            }
        }
        written.run();
    }

    /** Stops the threads, and waits until they have. */
    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }
}
