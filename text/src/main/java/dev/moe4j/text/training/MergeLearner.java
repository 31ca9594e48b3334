package dev.moe4j.text.training;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.ByteLevel;
import dev.moe4j.text.tokenizer.ByteLevelBpe;
import dev.moe4j.text.tokenizer.ByteLevelBpe.Merge;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.IntConsumer;

/**
 * Learns the merges of a byte pair encoding. Each step turns the most frequent pair of neighboring tokens into a new
 * token; ties go to the pair with the lower ids. Counts are updated incrementally, so a merge touches only the pieces
 * that contain its pair. The priority queue is lazy: an entry may have an outdated, higher count. Such an entry is queued
 * again with the current count when it reaches the top.
 */
final class MergeLearner {
    /** A pair that occurs only once would make a token without reuse. */
    private static final long MIN_COUNT = 2;

    private static final Comparator<Queued> ORDER = Comparator.comparingLong(Queued::count)
            .reversed()
            .thenComparingInt(queued -> queued.pair.left)
            .thenComparingInt(queued -> queued.pair.right);

    private final int[][] words;
    private final long[] counts;
    private final Map<Long, Pair> pairs = new HashMap<>();
    private final PriorityQueue<Queued> queue = new PriorityQueue<>(ORDER);
    private final List<Pair> changed = new ArrayList<>();
    private final List<byte[]> tokens = new ArrayList<>();
    private final List<Merge> merges = new ArrayList<>();

    /** Two neighboring tokens. */
    private static final class Pair {
        final int left;
        final int right;
        /** The current number of occurrences. */
        long count;
        /** The highest count among the pair's entries in the queue. */
        long queued;
        /** The words that contain or once contained the pair; a word may occur more than once. */
        IntList words = new IntList(1);

        Pair(int left, int right) {
            this.left = left;
            this.right = right;
        }
    }

    private record Queued(Pair pair, long count) {}

    /** Starts from the number of occurrences of each piece. */
    MergeLearner(Map<String, Long> pieces) {
        int[] ids = new int[256];
        for (int id = 0; id < 256; id++) {
            ids[ByteLevel.byteOf(id)] = id;
            tokens.add(new byte[] {(byte) ByteLevel.byteOf(id)});
        }
        List<String> sorted = pieces.keySet().stream().sorted().toList();
        words = new int[sorted.size()][];
        counts = new long[sorted.size()];
        for (int w = 0; w < words.length; w++) {
            String piece = sorted.get(w);
            byte[] bytes = piece.getBytes(StandardCharsets.UTF_8);
            words[w] = new int[bytes.length];
            for (int i = 0; i < bytes.length; i++) {
                words[w][i] = ids[bytes[i] & 0xff];
            }
            counts[w] = pieces.getOrDefault(piece, 0L);
            for (int i = 0; i + 1 < bytes.length; i++) {
                add(pair(words[w][i], words[w][i + 1]), w);
            }
        }
        queueChanged();
    }

    /**
     * Learns merges until the vocabulary has the given size.
     *
     * @param vocabulary the number of tokens, including the end of text, which gets the last id
     * @param progress receives the size of the vocabulary after each merge
     * @throws DataException if the text has too few pairs that occur more than once
     */
    ByteLevelBpe learn(int vocabulary, IntConsumer progress) {
        while (tokens.size() < vocabulary - 1) {
            merge(next(vocabulary));
            progress.accept(tokens.size() + 1);
        }
        tokens.add(new byte[0]);
        return new ByteLevelBpe(tokens.toArray(new byte[0][]), List.copyOf(merges), vocabulary - 1);
    }

    private Pair next(int vocabulary) {
        for (Queued top = queue.poll(); top != null; top = queue.poll()) {
            Pair pair = top.pair;
            if (top.count == pair.count) {
                return pair;
            }
            pair.queued = 0;
            queue(pair);
        }
        throw new DataException("the text has pairs that occur more than once for a vocabulary of "
                + (tokens.size() + 1) + ", not " + vocabulary + "; give more text or ask for a smaller vocabulary");
    }

    private void queue(Pair pair) {
        if (pair.count >= MIN_COUNT && pair.count > pair.queued) {
            pair.queued = pair.count;
            queue.add(new Queued(pair, pair.count));
        }
    }

    private void queueChanged() {
        changed.forEach(this::queue);
        changed.clear();
    }

    private void merge(Pair pair) {
        int joined = tokens.size();
        byte[] left = tokens.get(pair.left);
        byte[] right = tokens.get(pair.right);
        byte[] bytes = new byte[left.length + right.length];
        System.arraycopy(left, 0, bytes, 0, left.length);
        System.arraycopy(right, 0, bytes, left.length, right.length);
        tokens.add(bytes);
        merges.add(new Merge(pair.left, pair.right, joined));
        IntList found = pair.words;
        for (int i = 0; i < found.size(); i++) {
            merge(found.get(i), pair, joined);
        }
        pairs.remove(key(pair.left, pair.right));
        queueChanged();
    }

    /** Joins all occurrences of the pair in a word, and updates the counts of the pairs that vanish or appear. */
    private void merge(int w, Pair pair, int joined) {
        int[] word = words[w];
        int[] out = new int[word.length];
        boolean[] gone = new boolean[word.length];
        int length = 0;
        for (int i = 0; i < word.length; i++) {
            if (i + 1 < word.length && word[i] == pair.left && word[i + 1] == pair.right) {
                gone[i] = true;
                gone[++i] = true;
                out[length++] = joined;
            } else {
                out[length++] = word[i];
            }
        }
        if (length == word.length) {
            return; // an earlier merge removed the pair from this word
        }
        for (int i = 0; i + 1 < word.length; i++) {
            if (gone[i] || gone[i + 1]) {
                pair(word[i], word[i + 1]).count -= counts[w];
            }
        }
        words[w] = Arrays.copyOf(out, length);
        for (int i = 0; i + 1 < length; i++) {
            if (out[i] == joined || out[i + 1] == joined) {
                add(pair(out[i], out[i + 1]), w);
            }
        }
    }

    private Pair pair(int left, int right) {
        return pairs.computeIfAbsent(key(left, right), _ -> new Pair(left, right));
    }

    /** Counts an occurrence of a pair in a word. */
    private void add(Pair pair, int w) {
        pair.count += counts[w];
        if (pair.words.size() == 0 || pair.words.get(pair.words.size() - 1) != w) {
            pair.words.accept(w);
        }
        changed.add(pair);
    }

    private static long key(int left, int right) {
        return (long) left << 32 | right;
    }
}
