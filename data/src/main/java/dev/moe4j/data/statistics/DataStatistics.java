package dev.moe4j.data.statistics;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.select.LongMap;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * Computes statistics of a split of prepared data: the distribution of document lengths, and repeated documents. It reads
 * the tokens once and needs at most 80 bytes of memory per document.
 */
public final class DataStatistics {
    private DataStatistics() {}

    /**
     * A bin of the histogram of document lengths.
     *
     * @param from the minimum length in tokens, including the end of text; a power of two
     * @param to the exclusive maximum length; the next power of two
     * @param documents the number of documents in the bin
     * @param tokens the number of their tokens
     */
    public record Bar(long from, long to, long documents, long tokens) {}

    /**
     * A text that occurs in more than one document.
     *
     * @param documents the number of documents with the text
     * @param first the number of the first of these documents in the split, from 0
     * @param tokens the length of one document, including the end of text
     * @param begins the beginning of the text, on one line
     */
    public record Duplicate(long documents, long first, long tokens, String begins) {}

    /**
     * The statistics of a split.
     *
     * @param documents the number of documents
     * @param tokens the number of tokens, including the end of each document
     * @param textBytes the length of the text, in UTF-8 bytes
     * @param shortest the minimum length of a document, in tokens
     * @param median the median length of a document, in tokens; the lower one of an even number
     * @param longest the maximum length of a document, in tokens
     * @param lengths the histogram of lengths, from the shortest to the longest document
     * @param repeated the number of documents that repeat an earlier document
     * @param duplicates the most frequent repeated documents; ties are in document order
     */
    public record Split(
            long documents,
            long tokens,
            long textBytes,
            long shortest,
            long median,
            long longest,
            List<Bar> lengths,
            long repeated,
            List<Duplicate> duplicates) {}

    /**
     * Computes the statistics of a split.
     *
     * @param textBytes the length of the text, in UTF-8 bytes
     * @param top the maximum number of duplicates to list
     * @param progress receives the number of documents read so far
     * @throws DataException if the split is damaged, or has 2^31 or more documents
     */
    public static Split of(ShardList documents, long textBytes, Tokenizer tokenizer, int top, LongConsumer progress) {
        if (documents.documents() > Integer.MAX_VALUE - 8) {
            throw new DataException(documents + " has " + documents.documents() + " documents, more than the "
                    + (Integer.MAX_VALUE - 8) + " that can be compared");
        }
        int count = (int) documents.documents();
        int[] lengths = new int[count];
        LongMap firsts = new LongMap();
        LongMap times = new LongMap();
        IntList repeated = new IntList(16);
        for (int d = 0; d < count; d++) {
            int[] ids = documents.document(d);
            lengths[d] = ids.length;
            long hash = 0;
            for (int id : ids) {
                hash = SplitMix64.mix(hash ^ id);
            }
            int first = firsts.putIfAbsent(hash, d);
            if (first >= 0 && times.increment(first) == 1) {
                repeated.accept(first);
            }
            progress.accept(d + 1L);
        }
        long again = 0;
        List<Integer> most = new ArrayList<>();
        for (int first : repeated.toArray()) {
            again += times.get(first);
            most.add(first);
        }
        most.sort(Comparator.comparingInt((Integer first) -> -times.get(first)).thenComparing(first -> first));
        List<Duplicate> duplicates = new ArrayList<>();
        for (int first : most.subList(0, Math.min(top, most.size()))) {
            duplicates.add(new Duplicate(
                    times.get(first) + 1L, first, lengths[first], begin(documents.document(first), tokenizer)));
        }
        List<Bar> bars = bars(lengths);
        Arrays.sort(lengths);
        return new Split(
                count,
                documents.tokens(),
                textBytes,
                count == 0 ? 0 : lengths[0],
                count == 0 ? 0 : lengths[(count - 1) / 2],
                count == 0 ? 0 : lengths[count - 1],
                bars,
                again,
                duplicates);
    }

    private static String begin(int[] ids, Tokenizer tokenizer) {
        int[] first = Arrays.copyOf(ids, Math.min(ids.length, 40));
        String text = DataException.oneLine(tokenizer.decode(first)).strip();
        return text.codePointCount(0, text.length()) <= 60
                ? text
                : text.substring(0, text.offsetByCodePoints(0, 59)) + "\u2026";
    }

    private static List<Bar> bars(int[] lengths) {
        long[] documents = new long[32];
        long[] tokens = new long[32];
        int first = documents.length;
        int last = 0;
        for (int length : lengths) {
            int power = 31 - Integer.numberOfLeadingZeros(Math.max(1, length));
            documents[power]++;
            tokens[power] += length;
            first = Math.min(first, power);
            last = Math.max(last, power);
        }
        List<Bar> bars = new ArrayList<>();
        for (int power = first; power <= last; power++) {
            bars.add(new Bar(1L << power, 1L << (power + 1), documents[power], tokens[power]));
        }
        return bars;
    }
}
