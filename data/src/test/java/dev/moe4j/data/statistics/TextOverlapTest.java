package dev.moe4j.data.statistics;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TextOverlapTest {

    private static final Tokenizer BYTES = Tokenizer.of("bytes");

    @TempDir
    private Path folder;

    private Shards prepared(String name, String... documents) throws IOException {
        Path text = Files.writeString(folder.resolve(name + ".txt"), String.join("\n\n", documents));
        new Preparation(BYTES, TextInput.of(List.of(text)).splitting(DocumentBoundary.BLANK_LINE), folder.resolve(name))
                .run();
        return Shards.open(folder.resolve(name));
    }

    /** So many words that occur nowhere else. */
    private static String words(String prefix, int count) {
        return IntStream.range(0, count).mapToObj(i -> prefix + i).collect(Collectors.joining(" "));
    }

    @Test
    void countsRunsOfWordsThatTheTrainingTextHas() throws IOException {
        String copied = words("copied", 20);
        try (Shards training =
                        prepared("training", words("a", 50), words("b", 5) + " " + copied + " " + words("c", 5));
                Shards clean = prepared("clean", words("d", 100));
                Shards seen = prepared(
                        "seen", words("e", 30), copied.toUpperCase(Locale.ROOT).replace(" ", ",\n"));
                Shards brief = prepared("brief", "too short", "to be found")) {
            List<Long> progress = new ArrayList<>();

            List<TextOverlap.Found> found = new TextOverlap()
                    .add("clean", clean.train(), BYTES)
                    .add("seen", seen.train(), BYTES)
                    .add("brief", brief.train(), BYTES)
                    .in(training.train(), BYTES, progress::add);

            // 100 words have 88 runs of 13; 30 and 20 have 18 and 8.
            assertThat(found)
                    .containsExactly(
                            new TextOverlap.Found("clean", 88, 0),
                            new TextOverlap.Found("seen", 26, 8),
                            new TextOverlap.Found("brief", 0, 0));
            assertThat(found.get(1).share()).isEqualTo(8.0 / 26);
            assertThat(found.get(2).share()).isNaN();
            assertThat(progress).containsExactly(1L, 2L);
        }
    }

    /** Boilerplate that an evaluation text repeats counts as often as it is scored. */
    @Test
    void repeatedRunsCountEachTime() throws IOException {
        String notice = words("notice", 13);
        try (Shards training = prepared("training", notice);
                Shards text = prepared("text", notice, notice, notice, words("f", 13))) {
            assertThat(new TextOverlap().add("text", text.train(), BYTES).in(training.train(), BYTES, _ -> {}))
                    .containsExactly(new TextOverlap.Found("text", 4, 3));
        }
    }

    @Test
    void twoTextsOfOneNameAreRefused() throws IOException {
        try (Shards text = prepared("text", words("g", 20))) {
            TextOverlap overlap = new TextOverlap().add("text", text.train(), BYTES);
            assertThatThrownBy(() -> overlap.add("text", text.train(), BYTES))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("two texts are named text");
        }
    }
}
