package dev.moe4j.quickstart;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.checkpoint.CheckpointReader;
import dev.moe4j.report.pair.ReportData;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class QuickstartTest {

    private static final String[] WORDS =
            "the a router sends each token to its experts and sums what they say with weights of one".split(" ");

    private static final double MINUTES = 0.08;

    @TempDir
    private Path folder;

    /** Writes six groups of documents that consist of the same random words. */
    private Path text(int documents, int words) throws IOException {
        Path root = folder.resolve("text");
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < documents; i++) {
            StringBuilder document = new StringBuilder();
            for (int w = 0; w < words; w++) {
                document.append(WORDS[random.nextInt(WORDS.length)]).append(' ');
            }
            Path file = root.resolve("group" + i % 6).resolve("file" + i + ".txt");
            Files.createDirectories(file.getParent());
            Files.writeString(file, document);
        }
        return root;
    }

    /** Perplexity per token of a model that predicts all words with equal probability. */
    private static double chance() {
        int tokens = Tokenizer.of("gpt2:2048").encode(" " + String.join(" ", WORDS)).length;
        return Math.pow(WORDS.length, (double) WORDS.length / tokens);
    }

    private Quickstart quickstart(Path text, String out, List<String> log, List<Quickstart.Progress> progress) {
        return new Quickstart(
                new Quickstart.Settings(text, null, folder.resolve(out), MINUTES, 1), log::add, progress::add);
    }

    @Test
    void trainsEvaluatesAndReports() throws IOException {
        List<String> log = new ArrayList<>();
        List<Quickstart.Progress> progress = new ArrayList<>();
        long before = Scope.liveTensors();
        Quickstart.Result result =
                quickstart(text(300, 400), "out", log, progress).run();
        assertThat(Scope.liveTensors()).isEqualTo(before);

        assertThat(result.vocabulary()).isEqualTo(2048);
        for (Quickstart.Result.Model model : List.of(result.dense(), result.moe())) {
            assertThat(model.tokens()).isPositive();
            assertThat(model.seconds()).isGreaterThanOrEqualTo(MINUTES * 60);
            // No model can predict random words better than chance after any number of steps. A tenth is tolerance.
            assertThat(model.inDomainPpl()).isFinite().isGreaterThan(0.9 * chance());
            assertThat(model.outOfDomainPpl()).isFinite().isGreaterThan(1);
            try (CheckpointReader reader = CheckpointReader.open(Path.of(model.checkpoint()))) {
                assertThat(reader.architecture().model().vocabulary()).isEqualTo(2048);
            }
        }
        assertThat(result.moe().parametersTotal())
                .isGreaterThan(3 * result.dense().parametersTotal());
        // Both models have the same FLOPs per token, except for the router.
        assertThat(result.moe().flopsPerToken() / result.dense().flopsPerToken())
                .isBetween(1.0, 1.02);
        String report = Files.readString(Path.of(result.report()));
        assertThat(report).contains("<html").contains("held-out documents").contains("held-out groups");
        assertThat(result.sentence()).startsWith("Too short to tell");
        assertThat(log).anyMatch(line -> line.contains("training both models"));
        assertThat(progress)
                .isNotEmpty()
                .allMatch(p -> p.budget() == MINUTES * 60)
                .isSortedAccordingTo(Comparator.comparingDouble(Quickstart.Progress::seconds));

        assertThatThrownBy(() ->
                        quickstart(folder.resolve("text"), "out", log, progress).run())
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("exists already");
    }

    @Test
    void badTextIsAClearError() throws IOException {
        List<String> log = new ArrayList<>();
        assertThatThrownBy(() -> quickstart(folder.resolve("nowhere"), "a", log, new ArrayList<>())
                        .run())
                .hasMessageContaining("nowhere");
        Files.createDirectories(folder.resolve("empty"));
        assertThatThrownBy(() -> quickstart(folder.resolve("empty"), "b", log, new ArrayList<>())
                        .run())
                .hasMessageContaining("empty");
        // There is enough training text, but the held-out two per cent are a few short documents.
        assertThatThrownBy(() ->
                        quickstart(text(300, 3), "c", log, new ArrayList<>()).run())
                .isInstanceOf(StudyException.class)
                .hasMessageContaining("too few for an interval; give more text");
        assertThat(log).noneMatch(line -> line.contains("training both models"));
        assertThatThrownBy(() -> new Quickstart.Settings(null, null, folder, 0, 1))
                .hasMessageContaining("minutes");
    }

    @Test
    void heldOutGroupsAreNotTrainedOn() throws IOException {
        QuickstartText.Location location = QuickstartText.Location.choose(text(120, 50), null);
        assertThat(location.collapseSpaces()).isFalse();
        try (QuickstartText prepared =
                QuickstartText.prepare(location, Tokenizer.of("bytes"), folder.resolve("data"), 1e9, 1, _ -> {})) {
            List<ReportData.Source> sources = prepared.description().sources();
            assertThat(sources)
                    .extracting(ReportData.Source::use)
                    .contains("training", "held out, in-domain", "out-of-domain");
            long kept = sources.get(0).documents() + sources.get(1).documents();
            assertThat(kept).isEqualTo(100);
            assertThat(prepared.heldOut()).extracting(HeldOutText::inDomain).contains(true, false);
            // Documents of random words share no sequence of 13 words.
            assertThat(sources.getFirst().overlap()).isNaN();
            assertThat(sources.get(1).overlap()).isZero();
        }
    }
}
