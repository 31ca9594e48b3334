package dev.moe4j.text.training;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.tokenizer.GptTokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Counts the pieces of text on many threads. If there are more than {@link #MAX_PIECES} distinct pieces, the rarest are
 * dropped. The text alone determines when this happens, so the counts do not depend on the number of threads.
 */
final class PieceCounter implements AutoCloseable {
    /** The maximum number of distinct pieces in memory, which take about 300 MB. */
    private static final int MAX_PIECES = 1 << 21;

    /** The maximum length of a piece in characters. Longer pieces are not words, and are cut. */
    static final int LONGEST = 256;

    private static final int BATCH = 1 << 17;

    private final int limit;
    private final Map<String, Long> counts = new HashMap<>();
    private final OrderedExecutor<Map<String, Integer>> work;
    private List<String> batch = new ArrayList<>();
    private int batchCharacters;
    private long forgotten;

    PieceCounter(int threads) {
        this(threads, MAX_PIECES);
    }

    PieceCounter(int threads, int limit) {
        this.limit = limit;
        this.work = new OrderedExecutor<>("count", threads, this::take);
    }

    void add(String text) {
        String valid = Utf8.valid(text);
        for (int from = 0; from < valid.length(); ) {
            int to = GptTokenizer.segmentEnd(valid, from, GptTokenizer.SEGMENT, GptTokenizer.LONGEST_PIECE);
            batch.add(valid.substring(from, to));
            batchCharacters += to - from;
            if (batchCharacters >= BATCH) {
                submit();
            }
            from = to;
        }
    }

    private void submit() {
        List<String> texts = batch;
        work.add(() -> {
            Map<String, Integer> counted = new HashMap<>();
            texts.forEach(text -> count(text, counted));
            return counted;
        });
        batch = new ArrayList<>();
        batchCharacters = 0;
    }

    private static void count(String text, Map<String, Integer> counts) {
        for (int from = 0; from < text.length(); ) {
            int end = Pieces.end(text, from);
            while (end - from > LONGEST) {
                int cut = from + LONGEST - (Character.isHighSurrogate(text.charAt(from + LONGEST - 1)) ? 1 : 0);
                counts.merge(text.substring(from, cut), 1, Integer::sum);
                from = cut;
            }
            counts.merge(text.substring(from, end), 1, Integer::sum);
            from = end;
        }
    }

    private void take(Map<String, Integer> more) {
        more.forEach((piece, count) -> counts.merge(piece, (long) count, Long::sum));
        for (long floor = 1; counts.size() > limit; floor++) {
            long rarest = floor;
            int before = counts.size();
            counts.values().removeIf(count -> count <= rarest);
            forgotten += before - counts.size();
        }
    }

    /** Counts the remaining text and returns the number of occurrences of each piece. */
    Map<String, Long> finish() {
        submit();
        work.finish();
        return counts;
    }

    /** Returns the number of times a rare piece was dropped. */
    long forgotten() {
        return forgotten;
    }

    @Override
    public void close() {
        work.close();
    }
}
