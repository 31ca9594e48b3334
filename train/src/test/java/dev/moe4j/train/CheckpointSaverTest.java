package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.data.Preparation;
import dev.moe4j.data.Shards;
import dev.moe4j.data.TextInput;
import dev.moe4j.data.Tokenizer;
import dev.moe4j.tensor.Device;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of a checkpoint that a run went on from. */
@EnabledOnOs(OS.LINUX)
class CheckpointSaverTest {

    /** Of a path that a Linux system call takes. */
    private static final int LONGEST_PATH = 4095;

    @TempDir
    private Path folder;

    private Path run;
    private Path first;
    private final List<String> notices = new ArrayList<>();

    @BeforeEach
    void trainOneStep() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "Sound and fury. ".repeat(300));
        Preparation.Result _ =
                new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), folder.resolve("data")).run();
        run = folder.resolve("run");
        first = train(1, _ -> {}).checkpoint();
    }

    private TrainingRun.Outcome train(int steps, Consumer<TrainingProgress> listener) {
        List<String> overrides = List.of("precision=fp32", "checkpoint.keep=1");
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            return new TrainingRun(RunConfig.read("cpu-tiny-moe", overrides), shards, run, steps, Device.CPU)
                    .resume(Set.of("steps"))
                    .onStep(listener)
                    .onNotice(notices::add)
                    .run();
        }
    }

    /** Files that are mapped keep their place on the disk, and on some systems cannot be deleted. */
    @Test
    void trainingLetsGoOfIt() {
        List<String> mapped = new ArrayList<>();
        train(2, _ -> {
            try (Stream<String> maps = Files.lines(Path.of("/proc/self/maps"))) {
                mapped.addAll(maps.filter(line -> line.contains(run.toString())).toList());
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        assertThat(mapped).isEmpty();
        assertThat(first).doesNotExist();
    }

    /** In it lies a folder whose path grows too long by the name under which checkpoints are deleted. */
    @Test
    void oneThatCannotBeDeletedIsNoFailure() throws IOException {
        Path deep = first;
        while (deep.toString().length() < LONGEST_PATH - 1) {
            int left = LONGEST_PATH - 1 - deep.toString().length();
            deep = deep.resolve("x".repeat(Math.min(200, left)));
        }
        Files.createDirectories(deep);

        TrainingRun.Outcome outcome = train(2, _ -> {});

        assertThat(outcome.checkpoint()).hasFileName("step-00000002").isDirectory();
        assertThat(notices).anyMatch(notice -> notice.contains("an older checkpoint cannot be deleted: " + first));
        // So that the test's folder can be deleted.
        try (Stream<Path> left = Files.list(run)) {
            Files.move(
                    left.filter(file -> file.toString().endsWith(".tmp"))
                            .findFirst()
                            .orElseThrow(),
                    first);
        }
    }
}
