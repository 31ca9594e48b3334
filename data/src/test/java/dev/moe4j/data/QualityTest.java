package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.statistics.DataStatistics;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import dev.moe4j.text.select.QualityRule;
import dev.moe4j.text.select.TextStatistics;
import dev.moe4j.text.select.Words;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Figures of texts, the words in them, and the figures of prepared data. */
final class QualityTest {
    @TempDir
    private Path folder;

    private static List<String> words(String text) {
        List<String> words = new ArrayList<>();
        Words.each(text, (_, from, to) -> words.add(text.substring(from, to)));
        return words;
    }

    private static List<Long> hashes(String text) {
        List<Long> hashes = new ArrayList<>();
        Words.each(text, (hash, _, _) -> hashes.add(hash));
        return hashes;
    }

    @Test
    void wordsAreRunsOfLettersAndDigits() {
        assertThat(words("Hello, wide-world! it's 3.14\n(x_1)"))
                .containsExactly("Hello", "wide", "world", "it", "s", "3", "14", "x", "1");
        assertThat(words("na\u00efve cafe\u0301 \u0928\u092e\u0938\u094d\u0924\u0947"))
                .containsExactly("na\u00efve", "cafe\u0301", "\u0928\u092e\u0938\u094d\u0924\u0947");
        assertThat(words("\u4f60\u597da\u3053\u3093 \ud840\udc00"))
                .containsExactly("\u4f60", "\u597d", "a", "\u3053", "\u3093", "\ud840\udc00");
        assertThat(words(" ... ")).isEmpty();
        assertThat(hashes("The END, \u00c9t\u00e9")).isEqualTo(hashes("the\n\n\"end\" \u00e9t\u00e9"));
        assertThat(hashes("ab")).isNotEqualTo(hashes("ba"));
    }

    @Test
    void rollingHashesAreThoseOfTheWordsAlone() {
        Generator random = new Generator("rollingHashes");
        long[] words = new long[500];
        for (int i = 0; i < words.length; i++) {
            words[i] = SplitMix64.mix(random.below(3));
        }
        Words.Grams rolling = new Words.Grams(7);
        Map<List<Long>, Long> seen = new HashMap<>();
        for (int i = 0; i < words.length; i++) {
            boolean enough = rolling.add(words[i]);
            assertThat(enough).isEqualTo(i >= 6);
            if (enough) {
                List<Long> gram = new ArrayList<>();
                for (int j = i - 6; j <= i; j++) {
                    gram.add(words[j]);
                }
                assertThat(seen.computeIfAbsent(gram, _ -> rolling.hash())).isEqualTo(rolling.hash());
            }
        }
        assertThat(seen.values()).doesNotHaveDuplicates();
    }

    @Test
    void figuresOfText() {
        TextStatistics s = new TextStatistics("- one two\u2026\n\u2022 # 12 three...\n\nfour ....\n");
        assertThat(s.words()).isEqualTo(9);
        assertThat(s.meanWord()).isCloseTo((1 + 3 + 4 + 1 + 1 + 2 + 8 + 4 + 4) / 9.0, within(1e-9));
        assertThat(s.symbols()).isCloseTo(4 / 9.0, within(1e-9)); // … # ... ....
        assertThat(s.alphabetic()).isCloseTo(4 / 9.0, within(1e-9));
        assertThat(s.bullets()).isCloseTo(2 / 3.0, within(1e-9));
        assertThat(s.ellipses()).isCloseTo(1, within(1e-9));
        assertThat(new TextStatistics("a\ud83d\ude00").characters()).isEqualTo(2);

        TextStatistics lines = new TextStatistics("aa\nbbbb\naa\n aa \ncc");
        assertThat(lines.repeatedLines()).isCloseTo(2 / 5.0, within(1e-9));
        assertThat(lines.repeatedLineCharacters()).isCloseTo(4 / 12.0, within(1e-9));
    }

    @Test
    void repeatedWordsOfText() {
        String once = "a b c d e f g h i j";
        assertThat(new TextStatistics(once).topGram(2)).isZero();
        assertThat(new TextStatistics(once).repeatedGrams(5)).isZero();
        TextStatistics twice = new TextStatistics(once + " " + once);
        assertThat(twice.topGram(2)).isCloseTo(4 / 20.0, within(1e-9));
        assertThat(twice.topGram(3)).isCloseTo(6 / 20.0, within(1e-9));
        assertThat(twice.repeatedGrams(5)).isCloseTo(0.5, within(1e-9));
        assertThat(twice.repeatedGrams(10)).isCloseTo(0.5, within(1e-9));
        TextStatistics same = new TextStatistics("spam ".repeat(100));
        assertThat(same.topGram(2)).isCloseTo(99 * 8 / 400.0, within(1e-9));
        assertThat(same.repeatedGrams(5)).isGreaterThan(0.9);
    }

    @Test
    void rulesAreBounds() {
        TextStatistics ten = new TextStatistics("word ".repeat(10));
        assertThat(QualityRule.MIN_WORDS.breaks(ten, 10)).isFalse();
        assertThat(QualityRule.MIN_WORDS.breaks(ten, 11)).isTrue();
        assertThat(QualityRule.MAX_WORDS.breaks(ten, 10)).isFalse();
        assertThat(QualityRule.MAX_WORDS.breaks(ten, 9)).isTrue();
        for (QualityRule rule : QualityRule.values()) {
            assertThat(QualityRule.parse(rule.option())).isEqualTo(rule);
            assertThat(rule.gopher().isPresent())
                    .isEqualTo(
                            !rule.name().endsWith("_CHARACTERS") || rule == QualityRule.MAX_REPEATED_LINE_CHARACTERS);
        }
        assertThatThrownBy(() -> QualityRule.parse("min-wrods"))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no rule is named \"min-wrods\"; there are min-characters, ");
    }

    @Test
    void figuresOfPreparedData() throws IOException {
        List<String> documents = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            documents.add(String.format(Locale.ROOT, "%02d", i) + "x".repeat(i));
        }
        documents.add("twice");
        documents.add("three times");
        documents.add("three times");
        documents.add("twice");
        documents.add("three times");
        Path file = Files.writeString(folder.resolve("a.txt"), String.join("\n\n", documents));
        Path out = folder.resolve("out");
        TextInput input = TextInput.of(List.of(file)).splitting(DocumentBoundary.BLANK_LINE);
        new Preparation(Tokenizer.of("bytes"), input, out).run();
        try (Shards shards = Shards.open(out)) {
            DataStatistics.Split s = DataStatistics.of(shards.train(), 400, shards.tokenizer(), 1, _ -> {});
            assertThat(s.documents()).isEqualTo(25);
            assertThat(s.tokens()).isEqualTo(shards.train().tokens());
            assertThat(s.shortest()).isEqualTo(3);
            assertThat(s.longest()).isEqualTo(22);
            assertThat(s.repeated()).isEqualTo(3);
            assertThat(s.duplicates()).containsExactly(new DataStatistics.Duplicate(3, 21, 12, "three times"));
            assertThat(s.lengths()).extracting(DataStatistics.Bar::from).containsExactly(2L, 4L, 8L, 16L);
            assertThat(s.lengths()).extracting(DataStatistics.Bar::documents).containsExactly(1L, 6L, 11L, 7L);
            assertThat(s.lengths().stream()
                            .mapToLong(DataStatistics.Bar::tokens)
                            .sum())
                    .isEqualTo(s.tokens());
        }
    }
}
