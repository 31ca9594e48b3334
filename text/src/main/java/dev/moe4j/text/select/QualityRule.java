package dev.moe4j.text.select;

import dev.moe4j.text.DataException;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A bound on a statistic of a text. A document that violates the bound is dropped. No rule applies by default. The
 * recommended bounds come from Gopher's training data (Rae et al., "Scaling Language Models", 2021, appendix A.1).
 * They fit prose in languages with spaces between words.
 */
public enum QualityRule {
    /** The minimum number of characters. */
    MIN_CHARACTERS(true, Double.NaN, TextStatistics::characters),
    /** The maximum number of characters. */
    MAX_CHARACTERS(false, Double.NaN, TextStatistics::characters),
    /** The minimum number of words, which are separated by white space. */
    MIN_WORDS(true, 50, TextStatistics::words),
    /** The maximum number of words. */
    MAX_WORDS(false, 100_000, TextStatistics::words),
    /** The minimum mean length of a word, in characters. */
    MIN_MEAN_WORD(true, 3, TextStatistics::meanWord),
    /** The maximum mean length of a word, in characters. */
    MAX_MEAN_WORD(false, 10, TextStatistics::meanWord),
    /** The maximum number of hash signs and ellipses per word. */
    MAX_SYMBOLS(false, 0.1, TextStatistics::symbols),
    /** The minimum fraction of words with a letter. */
    MIN_ALPHABETIC(true, 0.8, TextStatistics::alphabetic),
    /** The maximum fraction of lines that begin with a bullet. */
    MAX_BULLETS(false, 0.9, TextStatistics::bullets),
    /** The maximum fraction of lines that end in an ellipsis. */
    MAX_ELLIPSES(false, 0.3, TextStatistics::ellipses),
    /** The maximum fraction of lines that repeat an earlier line. */
    MAX_REPEATED_LINES(false, 0.3, TextStatistics::repeatedLines),
    /** The maximum fraction of characters in lines that repeat an earlier line. */
    MAX_REPEATED_LINE_CHARACTERS(false, 0.2, TextStatistics::repeatedLineCharacters),
    /** The maximum fraction of word characters in all occurrences of the most frequent 2-gram. */
    MAX_TOP_2_GRAM(false, 0.2, s -> s.topGram(2)),
    /** The maximum fraction of word characters in all occurrences of the most frequent 3-gram. */
    MAX_TOP_3_GRAM(false, 0.18, s -> s.topGram(3)),
    /** The maximum fraction of word characters in all occurrences of the most frequent 4-gram. */
    MAX_TOP_4_GRAM(false, 0.16, s -> s.topGram(4)),
    /** The maximum fraction of word characters in 5-grams that repeat an earlier 5-gram. */
    MAX_REPEATED_5_GRAMS(false, 0.15, s -> s.repeatedGrams(5)),
    /** The maximum fraction of word characters in 10-grams that repeat an earlier 10-gram. */
    MAX_REPEATED_10_GRAMS(false, 0.1, s -> s.repeatedGrams(10));

    private final boolean isMinimum;
    private final double gopher;

    @SuppressWarnings("ImmutableEnumChecker") // a stateless function
    private final ToDoubleFunction<TextStatistics> statistic;

    QualityRule(boolean isMinimum, double gopher, ToDoubleFunction<TextStatistics> statistic) {
        this.isMinimum = isMinimum;
        this.gopher = gopher;
        this.statistic = statistic;
    }

    /** Returns the name on the command line, for example {@code min-words}. */
    public String option() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** Returns the bound of Gopher's training data; empty if Gopher did not use this rule. */
    public OptionalDouble gopher() {
        return Double.isNaN(gopher) ? OptionalDouble.empty() : OptionalDouble.of(gopher);
    }

    /**
     * Returns the rule with a command-line name.
     *
     * @throws DataException if there is no such rule
     */
    public static QualityRule parse(String option) {
        return Stream.of(values())
                .filter(rule -> rule.option().equals(option))
                .findAny()
                .orElseThrow(() -> new DataException("no rule is named \"" + DataException.oneLine(option)
                        + "\"; there are "
                        + Stream.of(values()).map(QualityRule::option).collect(Collectors.joining(", "))));
    }

    /** Whether a text violates the rule with the given bound. */
    public boolean breaks(TextStatistics text, double bound) {
        double value = statistic.applyAsDouble(text);
        return isMinimum ? value < bound : value > bound;
    }
}
