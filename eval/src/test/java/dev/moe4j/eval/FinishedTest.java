package dev.moe4j.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class FinishedTest {

    record Figures(String name, double loss, List<Double> more) {}

    @TempDir
    private Path temp;

    @Test
    void whatIsDoneIsFoundAgain() {
        Path file = temp.resolve("results.jsonl");
        Figures figures = new Figures("ü", Double.NaN, List.of(0.1, Double.POSITIVE_INFINITY));
        Finished<Figures> finished = Finished.open(file, Figures.class);
        assertThat(finished.find("a")).isEmpty();
        finished.add("a", "the first", figures);
        assertThat(finished.find("a")).contains(figures);
        assertThat(Finished.open(file, Figures.class).find("a")).contains(figures);
        assertThat(file).content().hasLineCount(1).contains("\"about\":\"the first\"");
    }

    @Test
    void aLineThatWasCutOffIsWrittenAgain() throws IOException {
        Path file = temp.resolve("results.jsonl");
        Finished<Figures> finished = Finished.open(file, Figures.class);
        finished.add("a", "", new Figures("ü", 1, List.of()));
        finished.add("b", "", new Figures("b", 2, List.of()));
        String whole = Files.readString(file);
        Files.writeString(file, whole.substring(0, whole.length() - 5));

        Finished<Figures> again = Finished.open(file, Figures.class);
        assertThat(again.find("a")).isPresent();
        assertThat(again.find("b")).isEmpty();
        again.add("b", "", new Figures("b", 2, List.of()));
        assertThat(file).hasContent(whole.strip());
    }

    @Test
    void keysAreOverAllTheirParts() {
        assertThat(Finished.key("a", "b")).hasSize(64).isEqualTo(Finished.key("a", "b"));
        assertThat(Finished.key("a", "b")).isNotEqualTo(Finished.key("ab")).isNotEqualTo(Finished.key("b", "a"));
        assertThat(Finished.key("a", "b"))
                .isEqualTo(Finished.key(Finished.SCORING_VERSION, "a", "b"))
                .isNotEqualTo(Finished.key(Finished.SCORING_VERSION - 1, "a", "b"));
    }

    @Test
    void aDamagedFileIsRefused() throws IOException {
        Path file = Files.writeString(temp.resolve("results.jsonl"), "{\"key\":\n");
        assertThatThrownBy(() -> Finished.open(file, Figures.class))
                .isInstanceOf(EvalException.class)
                .hasMessage(file + ":1: no line of results; remove it, or name another file");
        Files.writeString(file, "{}\n");
        assertThatThrownBy(() -> Finished.open(file, Figures.class))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("results.jsonl:1: ");
        assertThatThrownBy(() -> Finished.open(temp.resolve("no/such/file"), Figures.class))
                .isInstanceOf(UncheckedIOException.class);
    }
}
