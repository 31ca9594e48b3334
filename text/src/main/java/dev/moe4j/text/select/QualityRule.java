package dev.moe4j.text.select;

import dev.moe4j.text.DataException;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.function.ToDoubleFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * A bound on a figure of a text; a document beyond it is left out. None is in force unless asked for. The bounds are
 * those that Gopher was trained with (Rae et al., "Scaling Language Models", 2021, appendix A.1), for prose in a language
 * with spaces between words; nothing here depends on the language otherwise.
 */
public enum QualityRule {
    /** Characters at least. */
    MIN_CHARACTERS(true, Double.NaN, TextStatistics::characters),
    /** Characters at most. */
    MAX_CHARACTERS(false, Double.NaN, TextStatistics::characters),
    /** Words, between white space, at least. */
    MIN_WORDS(true, 50, TextStatistics::words),
    /** Words at most. */
    MAX_WORDS(false, 100_000, TextStatistics::words),
    /** Characters a word in the mean, at least. */
    MIN_MEAN_WORD(true, 3, TextStatistics::meanWord),
    /** Characters a word in the mean, at most. */
    MAX_MEAN_WORD(false, 10, TextStatistics::meanWord),
    /** Number signs and ellipses a word, at most. */
    MAX_SYMBOLS(false, 0.1, TextStatistics::symbols),
    /** Words with a letter among all, at least. */
    MIN_ALPHABETIC(true, 0.8, TextStatistics::alphabetic),
    /** Lines that begin with a bullet among all, at most. */
    MAX_BULLETS(false, 0.9, TextStatistics::bullets),
    /** Lines that end in an ellipsis among all, at most. */
    MAX_ELLIPSES(false, 0.3, TextStatistics::ellipses),
    /** Lines that were there before among all, at most. */
    MAX_REPEATED_LINES(false, 0.3, TextStatistics::repeatedLines),
    /** Their characters among all, at most. */
    MAX_REPEATED_LINE_CHARACTERS(false, 0.2, TextStatistics::repeatedLineCharacters),
    /** Characters of the most frequent two words in a row, all times together, among all words' at most. */
    MAX_TOP_2_GRAM(false, 0.2, s -> s.topGram(2)),
    /** The same of three words. */
    MAX_TOP_3_GRAM(false, 0.18, s -> s.topGram(3)),
    /** The same of four words. */
    MAX_TOP_4_GRAM(false, 0.16, s -> s.topGram(4)),
    /** Characters of five words in a row that were there before, among all words' at most. */
    MAX_REPEATED_5_GRAMS(false, 0.15, s -> s.repeatedGrams(5)),
    /** The same of ten words. */
    MAX_REPEATED_10_GRAMS(false, 0.1, s -> s.repeatedGrams(10));

    private final boolean least;
    private final double gopher;

    @SuppressWarnings("ImmutableEnumChecker") // a function without state
    private final ToDoubleFunction<TextStatistics> figure;

    QualityRule(boolean least, double gopher, ToDoubleFunction<TextStatistics> figure) {
        this.least = least;
        this.gopher = gopher;
        this.figure = figure;
    }

    /** As a command line has it: {@code min-words}. */
    public String option() {
        return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    /** The bound that Gopher's data had, if it had one. */
    public OptionalDouble gopher() {
        return Double.isNaN(gopher) ? OptionalDouble.empty() : OptionalDouble.of(gopher);
    }

    /**
     * The rule of that name.
     *
     * @throws DataException if there is none
     */
    public static QualityRule parse(String option) {
        return Stream.of(values())
                .filter(rule -> rule.option().equals(option))
                .findAny()
                .orElseThrow(() -> new DataException("no rule is named \"" + DataException.oneLine(option)
                        + "\"; there are "
                        + Stream.of(values()).map(QualityRule::option).collect(Collectors.joining(", "))));
    }

    public boolean breaks(TextStatistics text, double bound) {
        double value = figure.applyAsDouble(text);
        return least ? value < bound : value > bound;
    }
}
