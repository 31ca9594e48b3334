package dev.moe4j.cli.study;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.cli.RealProcess;
import dev.moe4j.cli.Run;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Runs a study like a user: real processes, a kill, a report. */
class StudyCommandTest {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 600;

    @TempDir
    private Path folder;

    private Path ladder() throws IOException {
        Files.writeString(
                Files.createDirectories(folder.resolve("corpus")).resolve("a.txt"),
                "Out, out, brief candle!\n\nLife's but a walking shadow.\n\n".repeat(200));
        Files.writeString(folder.resolve("held.txt"), "A tale told by an idiot, full of sound and fury.\n".repeat(20));
        return Files.writeString(folder.resolve("ladder.yaml"), """
                data: {plays: {inputs: [corpus], tokenizer: bytes}}
                set: {model.layers: 2, model.width: 16, model.ffn: 32, model.context: 16, batch.sequences: 2, \
                precision: fp32, checkpoint.every: 20, log.every: 1}
                models:
                  - {name: dense, preset: cpu-tiny-dense}
                  - {name: mixture, preset: cpu-tiny-moe, set: {model.experts: 4, model.expert_ffn: 16}}
                budgets: [%d]
                evaluate: {in_domain: {held: held.txt}, max_windows: 10}
                """.formatted(STEPS * 32));
    }

    @DisabledOnOs(OS.WINDOWS)
    @Test
    void aKilledStudyResumesAndRepeatsNothing() throws IOException, InterruptedException {
        Path ladder = ladder();
        Path out = folder.resolve("study");
        String[] command = {"study", ladder.toString(), "--out=" + out, "--parallel=2"};
        RealProcess first = RealProcess.start(folder.resolve("err"), command);
        while (first.alive() && metrics(out).values().stream().noneMatch(lines -> lines > 30)) {
            Thread.sleep(20);
        }
        List<ProcessHandle> children = first.process().descendants().toList();
        first.process().destroyForcibly().waitFor();
        assertThat(children).as("running steps").isNotEmpty();
        for (ProcessHandle child : children) {
            child.onExit().join();
        }
        Map<Path, FileTime> finished = results(out);
        assertThat(finished).as("preparations").isNotEmpty();
        Map<Path, Integer> trained = metrics(out);
        assertThat(trained.values()).as("trainings have not ended").allMatch(lines -> lines < STEPS);

        RealProcess second = RealProcess.start(folder.resolve("err"), command);
        assertThat(second.code()).as(second.said()).isZero();

        Map<Path, FileTime> all = results(out);
        assertThat(all).hasSize(2 + 2 + 2 + 1).containsAllEntriesOf(finished);
        assertThat(metrics(out).values()).containsOnly(STEPS);
        assertThat(trained.keySet())
                .as("the second attempt resumes the first one")
                .anySatisfy(run ->
                        assertThat(run.resolveSibling("log.txt")).content().contains("resuming"));
        assertThat(trained.keySet())
                .as("the ladder's number of threads")
                .allSatisfy(run ->
                        assertThat(run.resolveSibling("log.txt")).content().contains("1 threads for each operation"));

        Run again = Run.of("study", ladder.toString(), "--out=" + out, "--json");
        assertThat(again.code()).as(again.err()).isZero();
        assertThat(JSON.readTree(again.out()).path("ran").asInt(-1)).isZero();
        assertThat(JSON.readTree(again.out()).path("reused").asInt()).isEqualTo(7);
        assertThat(results(out)).isEqualTo(all);

        // The study may end after a preparation ended and before its result was saved.
        Path unfiled = all.keySet().stream()
                .filter(result -> result.toString().contains("prepare-"))
                .findFirst()
                .orElseThrow();
        Files.delete(unfiled);
        Run filed = Run.of("study", ladder.toString(), "--out=" + out, "--json");
        assertThat(filed.code()).as(filed.err()).isZero();
        assertThat(JSON.readTree(filed.out()).path("ran").asInt()).isEqualTo(1);
        assertThat(unfiled).exists();

        Run report = Run.of("report", out.toString(), "--json");
        assertThat(report.code()).as(report.err()).isZero();
        JsonNode result = JSON.readTree(report.out());
        assertThat(result.path("source").asString()).isEqualTo("study");
        assertThat(result.path("studies").size()).isEqualTo(1);
        assertThat(out.resolve("report.html")).exists();
        assertThat(out.resolve("report.csv")).content().contains("mixture,plays,4,", "in_domain,held,ppl,");
    }

    @Test
    void listingRunsNothing() throws IOException {
        Run listed = Run.of("study", ladder().toString(), "--out=" + folder.resolve("study"), "--list");

        assertThat(listed.code()).as(listed.err()).isZero();
        assertThat(listed.out().lines()).hasSize(7).allMatch(line -> line.startsWith("missing "));
        assertThat(folder.resolve("study")).doesNotExist();
    }

    @Test
    void badLaddersAreReportedInOneLine() throws IOException {
        Path ladder = ladder();
        Files.writeString(ladder, Files.readString(ladder).replace("budgets:", "budgts:"));

        Run run = Run.of("study", ladder.toString(), "--out=" + folder.resolve("study"));

        assertThat(run.code()).isEqualTo(1);
        assertThat(run.err().lines()).hasSize(1);
        assertThat(run.err()).contains("ladder.yaml:", "budgts", "budgets");
        assertThat(Run.of("report").code()).isEqualTo(2);
        assertThat(Run.of("report", folder.toString()).err()).contains("study.json");
    }

    @Test
    void thePublishedStudyAlone() {
        Run run = Run.of("report", "--published", "--out=" + folder.resolve("p.html"), "--json");

        assertThat(run.code()).as(run.err()).isZero();
        JsonNode speedup = JSON.readTree(run.out()).path("speedup");
        for (String curve : List.of("in_domain", "out_of_domain", "zero_shot")) {
            assertThat(speedup.path(curve).size()).isGreaterThanOrEqualTo(100);
            assertThat(speedup.path(curve).get(0).properties())
                    .extracting(Map.Entry::getKey)
                    .containsExactly("dense_zettaflops", "speedup");
        }
    }

    /** Returns each step's result file and its modification time. */
    private static Map<Path, FileTime> results(Path out) throws IOException {
        Map<Path, FileTime> times = new HashMap<>();
        for (Path step : steps(out)) {
            Path result = step.resolve("result.json");
            if (Files.exists(result)) {
                times.put(result, Files.getLastModifiedTime(result));
            }
        }
        return times;
    }

    /** Returns each training's run folder and its number of steps. */
    private static Map<Path, Integer> metrics(Path out) throws IOException {
        Map<Path, Integer> lines = new HashMap<>();
        for (Path step : steps(out)) {
            Path metrics = step.resolve("run/metrics.jsonl");
            if (Files.exists(metrics)) {
                lines.put(step.resolve("run"), Files.readAllLines(metrics).size());
            }
        }
        return lines;
    }

    private static List<Path> steps(Path out) throws IOException {
        Path steps = out.resolve("steps");
        if (!Files.exists(steps)) {
            return List.of();
        }
        try (Stream<Path> all = Files.list(steps)) {
            return all.toList();
        }
    }
}
