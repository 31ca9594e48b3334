package dev.moe4j.text.training;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.tokenizer.GptTokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Counts the pieces of text, on many threads. Of more than {@link #MOST} different ones the rarest are forgotten, at
 * places that the text alone decides, so that the counts do not depend on the number of threads.
 */
final class PieceCounter implements AutoCloseable {
    /** Different pieces in memory: 2^21, some 300 MB. */
    private static final int MOST = 1 << 21;

    /** The longest piece, in characters; longer ones, which words are not, are cut. */
    static final int LONGEST = 256;

    private static final int BATCH = 1 << 17;

    private final int most;
    private final Map<String, Long> counts = new HashMap<>();
    private final OrderedExecutor<Map<String, Integer>> work;
    private List<String> batch = new ArrayList<>();
    private int batchCharacters;
    private long forgotten;

    PieceCounter(int threads) {
        this(threads, MOST);
    }

    PieceCounter(int threads, int most) {
        this.most = most;
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
        for (long floor = 1; counts.size() > most; floor++) {
            long rarest = floor;
            int before = counts.size();
            counts.values().removeIf(count -> count <= rarest);
            forgotten += before - counts.size();
        }
    }

    /** The pieces and how often they were. */
    Map<String, Long> finish() {
        submit();
        work.finish();
        return counts;
    }

    /** How many times a piece was forgotten because there were too many. */
    long forgotten() {
        return forgotten;
    }

    @Override
    public void close() {
        work.close();
    }
}
