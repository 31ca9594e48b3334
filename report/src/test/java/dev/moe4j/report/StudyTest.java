package dev.moe4j.report;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.report.ladder.StudyResults;
import dev.moe4j.study.Study;
import dev.moe4j.study.ladder.Ladder;
import dev.moe4j.study.ladder.StudyPlan;
import dev.moe4j.study.steps.EnergyMeter;
import dev.moe4j.study.steps.RunningStep;
import dev.moe4j.study.steps.Step;
import dev.moe4j.study.steps.StudyException;
import dev.moe4j.study.steps.StudyFolder;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Tests how steps run, with a shell script instead of {@code moe4j}. */
@DisabledOnOs(OS.WINDOWS)
class StudyTest {

    private static final String LADDER = """
            data: {plays: {inputs: [corpus], tokenizer: bytes}}
            models:
              - {name: dense, preset: cpu-tiny-dense}
              - {name: mixture, preset: cpu-tiny-moe}
            budgets: [4_096]
            evaluate:
              in_domain: {more: corpus}
            """;

    @TempDir
    private Path folder;

    private final List<Study.Progress> seen = new ArrayList<>();

    @BeforeEach
    void write() throws IOException {
        Files.writeString(Files.createDirectories(folder.resolve("corpus")).resolve("a.txt"), "To be.\n\n".repeat(99));
        Files.writeString(folder.resolve("ladder.yaml"), LADDER);
        script("");
    }

    /** Writes a script that logs its command, runs {@code also}, and prints a result. */
    private void script(String also) throws IOException {
        Files.writeString(folder.resolve("moe4j"), """
                echo "$1 $2" >> "%s/calls"
                echo "line of $1" >&2
                %s
                echo '{"seconds": 2.5, "loss": 3, "threads": "'$OMP_NUM_THREADS'"}'
                """.formatted(folder, also));
    }

    private Study.Result run(BooleanSupplier stop) {
        Study.Settings settings = new Study.Settings(
                folder.resolve("ladder.yaml"),
                folder,
                folder.resolve("study"),
                2,
                List.of("/bin/sh", folder.resolve("moe4j").toString()),
                Map.of());
        return new Study(settings, _ -> {}, seen::add).run(stop);
    }

    private List<String> calls() throws IOException {
        Path calls = folder.resolve("calls");
        List<String> lines = Files.exists(calls) ? Files.readAllLines(calls) : List.of();
        Files.deleteIfExists(calls);
        return lines.stream()
                .map(line -> line.substring(0, line.indexOf(' ')))
                .sorted()
                .toList();
    }

    @Test
    void finishedStepsDoNotRunAgain() throws IOException {
        assertThat(run(() -> false)).extracting(Study.Result::ran).isEqualTo(6);
        assertThat(calls()).containsExactly("data", "eval", "eval", "prepare", "train", "train");
        assertThat(seen).allMatch(progress -> progress.running().size() <= 2);
        assertThat(seen.getLast().finished()).isEqualTo(6);

        Study.Result again = run(() -> false);
        assertThat(again.ran()).isZero();
        assertThat(again.reused()).isEqualTo(6);
        assertThat(calls()).isEmpty();

        Files.writeString(
                folder.resolve("ladder.yaml"),
                LADDER.replace("cpu-tiny-moe}", "cpu-tiny-moe, set: {optimizer.learning_rate: 1e-3}}"));
        assertThat(run(() -> false)).extracting(Study.Result::ran).isEqualTo(2);
        assertThat(calls()).containsExactly("eval", "train");

        Files.writeString(folder.resolve("ladder.yaml"), LADDER);
        assertThat(run(() -> false))
                .extracting(Study.Result::ran)
                .as("the first ladder's results are still there")
                .isEqualTo(0);
        StudyResults results = StudyResults.read(List.of(folder.resolve("study")));
        assertThat(results.trained()).hasSize(2).allSatisfy(each -> {
            assertThat(each.seconds()).isEqualTo(2.5);
            assertThat(each.joules()).isEqualTo(25);
        });
    }

    @Test
    void aFailureStopsOnlyDependentSteps() throws IOException {
        script("case \"$*\" in *cpu-tiny-moe*) echo 'no luck' >&2; exit 3;; esac");

        assertThatThrownBy(() -> run(() -> false))
                .isInstanceOf(StudyException.class)
                .hasMessageContainingAll("mixture", "exit code 3", "no luck", "log.txt");
        assertThat(calls()).containsExactly("data", "eval", "prepare", "train", "train");

        script("");
        assertThat(run(() -> false)).extracting(Study.Result::ran).isEqualTo(2);
        assertThat(calls()).containsExactly("eval", "train");
    }

    @Test
    void aStoppedStepIsNotFinished() throws IOException {
        script("if [ $1 = train ]; then exec sleep 600; fi");

        Study.Result result = run(() -> !seen.isEmpty()
                && seen.getLast().running().stream()
                        .anyMatch(each -> each.title().contains("M tokens")));

        assertThat(result.ran()).isEqualTo(1);
        assertThat(result.missing()).isEqualTo(5);
        assertThat(ProcessHandle.current().children()).noneMatch(ProcessHandle::isAlive);
    }

    /** Ctrl-C in a terminal reaches the steps too, so they may exit before they are asked to end. */
    @Test
    void aStepThatEndsWithTheStudyDoesNotCountAsFailed() throws IOException {
        script("if [ $1 = train ]; then while [ ! -e '%s/interrupted' ]; do sleep 0.02; done; exit 130; fi"
                .formatted(folder));
        Path interrupted = folder.resolve("interrupted");

        Study.Result result = run(() -> {
            boolean already = Files.exists(interrupted);
            boolean training = seen.stream()
                    .flatMap(progress -> progress.running().stream())
                    .anyMatch(each -> each.title().contains("M tokens"));
            if (training && !already) {
                write(interrupted);
            }
            return already;
        });

        assertThat(result.ran()).isEqualTo(1);
        assertThat(result.missing()).isEqualTo(5);
    }

    private static void write(Path file) {
        try {
            Files.writeString(file, "");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A step may resume in the middle. The time of earlier attempts must not count. */
    @Test
    void theTimeLeftFollowsTheCurrentAttempt() throws IOException {
        script("if [ $1 = train ]; then exec sleep 600; fi");
        Path file = folder.resolve("ladder.yaml");
        Step step = StudyPlan.of(Ladder.read(file), file, folder, folder.resolve("study")).steps().stream()
                .filter(each -> each.kind() == Step.Kind.TRAIN)
                .findFirst()
                .orElseThrow();
        Path metrics = Files.createDirectories(step.folder().resolve("run")).resolve("metrics.jsonl");
        Files.writeString(metrics, "{\"step\": %d}\n".formatted(step.total() / 2));
        RunningStep running = RunningStep.start(
                step, List.of("/bin/sh", folder.resolve("moe4j").toString()), Map.of());
        try {
            assertThat(running.fractionDone()).isEqualTo(0.5);
            assertThat(running.timeLeft()).isNull();
            // The attempt resumes from a checkpoint that is older than the last progress.
            Files.writeString(metrics, "{\"step\": %d}\n".formatted(step.total() / 4));
            assertThat(running.timeLeft()).isNull();
            Files.writeString(metrics, "{\"step\": %d}\n".formatted(step.total() / 2));
            assertThat(running.timeLeft()).isNotNull();
            Files.writeString(metrics, "{\"step\": %d}\n".formatted(step.total() * 3 / 4));
            // This attempt has done half of the step, and a quarter is left.
            assertThat(running.timeLeft())
                    .isBetween(Duration.ZERO, Duration.ofMillis((long) (500 * running.seconds())));
        } finally {
            running.kill();
        }
    }

    @Test
    void onlyOneProcessCanRunAStudy() {
        try (StudyFolder _ = StudyFolder.lock(folder.resolve("study"))) {
            assertThatThrownBy(() -> run(() -> false)).hasMessageContaining("is in use by another study");
        }
    }

    @Test
    void energyIsCorrectWhenTheCounterWrapsAround() throws IOException {
        Path zone = Files.createDirectories(folder.resolve("powercap/intel-rapl:0"));
        Files.writeString(zone.resolve("name"), "package-0\n");
        Files.createDirectories(folder.resolve("powercap/intel-rapl:0:0"));
        Path system = Files.createDirectories(folder.resolve("powercap/intel-rapl:1"));
        Files.writeString(system.resolve("name"), "psys\n");
        Files.writeString(system.resolve("energy_uj"), "1\n");
        Files.writeString(zone.resolve("max_energy_range_uj"), "1000000000\n");
        Files.writeString(zone.resolve("energy_uj"), "990000000\n");
        EnergyMeter meter = EnergyMeter.of(folder.resolve("powercap"));

        Files.writeString(zone.resolve("energy_uj"), "995000000\n");
        assertThat(meter.joules()).hasValue(5);
        Files.writeString(zone.resolve("energy_uj"), "2000000\n");
        assertThat(meter.joules()).hasValue(7);
        assertThat(EnergyMeter.of(folder.resolve("nowhere")).joules()).isEqualTo(OptionalDouble.empty());
    }
}
