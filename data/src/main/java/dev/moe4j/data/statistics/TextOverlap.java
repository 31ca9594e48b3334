package dev.moe4j.data.statistics;

import dev.moe4j.base.primitive.IntList;
import dev.moe4j.data.shard.ShardList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.select.LongMap;
import dev.moe4j.text.select.Selector;
import dev.moe4j.text.select.Words;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.LongConsumer;

/**
 * Measures how much of prepared evaluation texts stands in prepared training text: the share of their runs of 13 words
 * that the training text has too. Words are compared as by {@link Selector}, so case, punctuation and line breaks do not
 * count. Memory is up to 40 bytes for each word of the evaluation texts; the training text is read once.
 */
public final class TextOverlap {

    /** Words in a row, as where {@link Selector} leaves out evaluation text. */
    public static final int WORDS = Selector.EVALUATION_WORDS;

    /** From this share on, a text's score is partly that of training text. */
    public static final double LIMIT = 0.01;

    private final LongMap numbers = new LongMap();
    private final Map<String, IntList> texts = new LinkedHashMap<>();

    /**
     * What was found of a text.
     *
     * @param runs of {@link #WORDS} words in the text; 0 if its documents are too short
     * @param found those that the training text has too
     */
    public record Found(String name, long runs, long found) {

        /** From 0 to 1; NaN if there is nothing to look for. */
        public double share() {
            return runs == 0 ? Double.NaN : (double) found / runs;
        }
    }

    /**
     * Takes a text to look for.
     *
     * @param name not given before
     */
    public TextOverlap add(String name, ShardList documents, Tokenizer tokenizer) {
        IntList runs = new IntList(1024);
        if (texts.put(name, runs) != null) {
            throw new DataException("two texts are called " + name + "; give each a name of its own");
        }
        eachRun(documents, tokenizer, _ -> {}, hash -> {
            int known = numbers.putIfAbsent(hash, numbers.size());
            runs.accept(known < 0 ? numbers.size() - 1 : known);
        });
        return this;
    }

    /**
     * Looks for all texts, in the order in which they were given.
     *
     * @param progress takes the number of training documents done
     */
    public List<Found> in(ShardList training, Tokenizer tokenizer, LongConsumer progress) {
        BitSet seen = new BitSet(numbers.size());
        eachRun(training, tokenizer, progress, hash -> {
            int number = numbers.get(hash);
            if (number >= 0) {
                seen.set(number);
            }
        });
        List<Found> all = new ArrayList<>();
        texts.forEach((name, runs) -> {
            long found = 0;
            for (int i = 0; i < runs.size(); i++) {
                found += seen.get(runs.get(i)) ? 1 : 0;
            }
            all.add(new Found(name, runs.size(), found));
        });
        return all;
    }

    private static void eachRun(ShardList documents, Tokenizer tokenizer, LongConsumer progress, LongConsumer run) {
        for (long document = 0; document < documents.documents(); document++) {
            Words.Grams words = new Words.Grams(WORDS);
            Words.each(tokenizer.decode(documents.document(document)), (word, _, _) -> {
                if (words.add(word)) {
                    run.accept(words.hash());
                }
            });
            progress.accept(document + 1);
        }
    }
}
