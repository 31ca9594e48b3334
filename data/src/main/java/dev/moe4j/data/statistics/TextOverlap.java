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
 * Measures the contamination of evaluation texts: the fraction of their 13-grams of words that also occur in the training
 * text. Like {@link Selector}, it ignores case, punctuation and line breaks. It needs up to 40 bytes of memory per word of
 * the evaluation texts, and reads the training text once.
 */
public final class TextOverlap {

    /** The length of an n-gram in words, the same as for {@link Selector}. */
    public static final int WORDS = Selector.EVALUATION_WORDS;

    /** The fraction from which on the score of a text is considered contaminated by training text. */
    public static final double LIMIT = 0.01;

    private final LongMap numbers = new LongMap();
    private final Map<String, IntList> texts = new LinkedHashMap<>();

    /**
     * The overlap of an evaluation text with the training text.
     *
     * @param name the name of the evaluation text
     * @param runs the number of n-grams of {@link #WORDS} words in the text; 0 if all its documents are shorter
     * @param found the number of these n-grams that occur in the training text
     */
    public record Found(String name, long runs, long found) {

        /** Returns the fraction of n-grams found, from 0 to 1; NaN if the text has none. */
        public double share() {
            return runs == 0 ? Double.NaN : (double) found / runs;
        }
    }

    /**
     * Adds an evaluation text.
     *
     * @param name a name that was not used before
     * @throws DataException if the name was used before
     */
    public TextOverlap add(String name, ShardList documents, Tokenizer tokenizer) {
        IntList runs = new IntList(1024);
        if (texts.put(name, runs) != null) {
            throw new DataException("two texts are named " + name + "; give each a different name");
        }
        eachRun(documents, tokenizer, _ -> {}, hash -> {
            int known = numbers.putIfAbsent(hash, numbers.size());
            runs.accept(known < 0 ? numbers.size() - 1 : known);
        });
        return this;
    }

    /**
     * Measures the overlap of all evaluation texts with the training text.
     *
     * @param training the documents of the training text
     * @param tokenizer the tokenizer of the training text
     * @param progress receives the number of training documents read so far
     * @return the overlap of each text, in the order in which the texts were added
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
