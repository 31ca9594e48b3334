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
 * What is in a split of prepared data: lengths of documents and which are there more than once. Reading goes through the
 * ids once; memory is at most 80 bytes a document.
 */
public final class DataStatistics {
    private DataStatistics() {}

    /**
     * Documents of a length.
     *
     * @param from the least number of ids, the end of text included: a power of two
     * @param to the number that is too much: the next one
     */
    public record Bar(long from, long to, long documents, long tokens) {}

    /**
     * A text that is there more than once.
     *
     * @param documents how often
     * @param first the number of the first of them in the split, from 0
     * @param tokens of one, the end of text included
     * @param begins with this text, in one line
     */
    public record Duplicate(long documents, long first, long tokens, String begins) {}

    /**
     * What is in a split.
     *
     * @param tokens ids, the end of each document included
     * @param textBytes of UTF-8
     * @param shortest in ids
     * @param median in ids; of an even number the lower
     * @param longest in ids
     * @param lengths without the powers before the shortest and behind the longest
     * @param repeated documents that are there before, beyond their first
     * @param duplicates those that are there most often, of equals the earlier
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
     * Looks at a split.
     *
     * @param top the most duplicates to name
     * @param progress takes the number of documents done
     * @throws DataException if it is damaged, or has more than 2^31 documents
     */
    public static Split of(ShardList documents, long textBytes, Tokenizer tokenizer, int top, LongConsumer progress) {
        if (documents.documents() > Integer.MAX_VALUE - 8) {
            throw new DataException(documents + " has " + documents.documents() + " documents, more than are compared");
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
