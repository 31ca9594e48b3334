package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ResultCacheTest {

    record Figures(String name, double loss, List<Double> more) {}

    @TempDir
    private Path temp;

    @Test
    void whatIsDoneIsFoundAgain() {
        Path file = temp.resolve("results.jsonl");
        Figures figures = new Figures("ü", Double.NaN, List.of(0.1, Double.POSITIVE_INFINITY));
        ResultCache<Figures> finished = ResultCache.open(file, Figures.class);
        assertThat(finished.find("a")).isEmpty();
        finished.add("a", "the first", figures);
        assertThat(finished.find("a")).contains(figures);
        assertThat(ResultCache.open(file, Figures.class).find("a")).contains(figures);
        assertThat(file).content().hasLineCount(1).contains("\"about\":\"the first\"");
    }

    @Test
    void aLineThatWasCutOffIsWrittenAgain() throws IOException {
        Path file = temp.resolve("results.jsonl");
        ResultCache<Figures> finished = ResultCache.open(file, Figures.class);
        finished.add("a", "", new Figures("ü", 1, List.of()));
        finished.add("b", "", new Figures("b", 2, List.of()));
        String whole = Files.readString(file);
        Files.writeString(file, whole.substring(0, whole.length() - 5));

        ResultCache<Figures> again = ResultCache.open(file, Figures.class);
        assertThat(again.find("a")).isPresent();
        assertThat(again.find("b")).isEmpty();
        again.add("b", "", new Figures("b", 2, List.of()));
        assertThat(file).hasContent(whole.strip());
    }

    @Test
    void keysAreOverAllTheirParts() {
        assertThat(ResultCache.key("a", "b")).hasSize(64).isEqualTo(ResultCache.key("a", "b"));
        assertThat(ResultCache.key("a", "b"))
                .isNotEqualTo(ResultCache.key("ab"))
                .isNotEqualTo(ResultCache.key("b", "a"));
        assertThat(ResultCache.key("a", "b"))
                .isEqualTo(ResultCache.key(ResultCache.SCORING_VERSION, "a", "b"))
                .isNotEqualTo(ResultCache.key(ResultCache.SCORING_VERSION - 1, "a", "b"));
    }

    @Test
    void aDamagedFileIsRefused() throws IOException {
        Path file = Files.writeString(temp.resolve("results.jsonl"), "{\"key\":\n");
        assertThatThrownBy(() -> ResultCache.open(file, Figures.class))
                .isInstanceOf(EvalException.class)
                .hasMessage(file + ":1: not a line of results; remove the line, or use another file");
        Files.writeString(file, "{}\n");
        assertThatThrownBy(() -> ResultCache.open(file, Figures.class))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("results.jsonl:1: ");
        assertThatThrownBy(() -> ResultCache.open(temp.resolve("no/such/file"), Figures.class))
                .isInstanceOf(UncheckedIOException.class);
    }
}
