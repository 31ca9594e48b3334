package dev.moe4j.train.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.tensor.Device;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.TrainingRun;
import dev.moe4j.train.UndeletableFolder;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.metrics.TrainingProgress;
import java.io.IOException;
import java.io.UncheckedIOException;
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

/** Tests the treatment of the checkpoint that a run was resumed from. */
@EnabledOnOs(OS.LINUX)
class CheckpointSaverTest {

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
                    .listen(TrainingListener.ofSteps(listener))
                    .listen(TrainingListener.ofNotices(notices::add))
                    .run();
        }
    }

    /** Mapped files keep their disk space, and on some systems they cannot be deleted. */
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

    @Test
    void oneThatCannotBeDeletedIsNoFailure() throws IOException {
        try (UndeletableFolder _ = UndeletableFolder.at(first)) {
            TrainingRun.Outcome outcome = train(2, _ -> {});

            assertThat(outcome.checkpoint()).hasFileName("step-00000002").isDirectory();
            assertThat(notices).anyMatch(notice -> notice.contains("an older checkpoint cannot be deleted: " + first));
        }
    }

    @Test
    void oneThatIsReplacedAndCannotBeDeletedIsNoFailure() throws IOException {
        Path second = run.resolve("step-00000002");
        List<UndeletableFolder> replaced = new ArrayList<>();
        TrainingRun.Outcome outcome;
        try {
            outcome = train(2, _ -> {
                try {
                    replaced.add(UndeletableFolder.at(second));
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        } finally {
            for (UndeletableFolder left : replaced) {
                left.close();
            }
        }

        assertThat(outcome.checkpoint()).isEqualTo(second);
        assertThat(second.resolve("state.json")).exists();
        assertThat(notices).anyMatch(notice -> notice.contains("an older checkpoint cannot be deleted: " + second));
    }
}
