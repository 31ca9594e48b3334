package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.checkpoint.CheckpointSaver;
import dev.moe4j.train.checkpoint.TrainingState;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.Metrics;
import dev.moe4j.train.metrics.TensorBoard;
import dev.moe4j.train.metrics.TrainingListener;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.InstanceOfAssertFactories;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A checkpoint that is due at a step is written, even if something fails after the step's update. */
class DueCheckpointTest {

    private static final int STEPS = 6;
    private static final int DUE = 4;

    @TempDir
    private Path folder;

    private final List<String> notices = new ArrayList<>();
    private Path ids;
    private byte[] whole;

    @BeforeEach
    void prepareText() throws IOException {
        prepare("data", "To be, or not to be, that is the question.\n\n");
        prepare("stage", "All the world's a stage.\n\n");
        ids = folder.resolve("stage").resolve("train-00000-000.bin");
        whole = Files.readAllBytes(ids);
    }

    private void prepare(String name, String sentence) throws IOException {
        Path text = Files.writeString(folder.resolve(name + ".txt"), sentence.repeat(300));
        Preparation.Result _ =
                new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), folder.resolve(name)).run();
    }

    /** From this byte on the validation set has token ids outside the vocabulary. */
    private void damageFrom(int start) throws IOException {
        byte[] damaged = whole.clone();
        Arrays.fill(damaged, start, damaged.length, (byte) 0xff);
        Files.write(ids, damaged);
    }

    private RunConfig config(int every, String... overrides) {
        List<String> all = Stream.concat(
                        Stream.of(
                                "precision=fp32",
                                "log.every=1",
                                "batch.sequences=4",
                                "evaluation.every=" + every,
                                "checkpoint.every=" + every,
                                "evaluation.sets.stage=" + folder.resolve("stage")),
                        Stream.of(overrides))
                .toList();
        return RunConfig.read("cpu-tiny-moe", all);
    }

    private TrainingRun run(RunConfig config, Shards shards) {
        return new TrainingRun(config, shards, folder.resolve("run"), STEPS, Device.CPU)
                .listen(TrainingListener.ofNotices(notices::add));
    }

    private Path checkpoint(int step) {
        return CheckpointStep.folder(folder.resolve("run"), step);
    }

    private List<Long> checkpoints() {
        try (RunFolder opened = RunFolder.lock(folder.resolve("run"))) {
            return opened.checkpoints().stream().map(CheckpointStep::step).toList();
        }
    }

    private int reported() throws IOException {
        return Files.readAllLines(folder.resolve("run").resolve(RunFolder.METRICS))
                .size();
    }

    private void assertLastGood(String failed, int step) {
        assertThat(notices).contains(failed + "; the last good checkpoint is " + checkpoint(step));
    }

    /** One of the two evaluations is at a step whose checkpoint is due, the other at the last step. */
    @ParameterizedTest
    @ValueSource(ints = {DUE, 100})
    void aFailingValidation(int every) throws IOException {
        damageFrom(0);
        int due = Math.min(every, STEPS);
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            assertThatThrownBy(() -> run(config(every), shards).run()).hasMessageContaining("65535");
            assertThat(checkpoints()).containsExactly((long) due);
            assertThat(reported()).isEqualTo(due);
            assertLastGood("step %d: validation failed".formatted(due), due);

            Files.write(ids, whole);
            assertThat(run(config(every), shards).resume(Set.of()).run().steps())
                    .isEqualTo(STEPS);
            assertThat(reported()).isEqualTo(STEPS);
        }
    }

    /** Only rank 1 reads the damaged half. It must not end before rank 0 has written the checkpoint. */
    @Test
    void aValidationThatFailsInOneOfTwoProcesses() throws IOException {
        damageFrom(whole.length / 2);
        RunConfig config = config(DUE, "evaluation.windows=16");
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            List<Boolean> written =
                    RanksInThreads.each(2, environment -> failsAndHasWritten(environment, config, shards));
            assertThat(written).containsExactly(true, true);
        }
        assertThat(checkpoints()).containsExactly((long) DUE);
        assertThat(reported()).isEqualTo(DUE);
    }

    private boolean failsAndHasWritten(RankEnvironment environment, RunConfig config, Shards shards) {
        assertThatThrownBy(() -> RanksInThreads.process(
                        environment,
                        processes -> run(config, shards)
                                .on(config.parallel().connect(processes))
                                .run()))
                .hasMessageContaining("65535");
        return Files.exists(checkpoint(DUE));
    }

    @Test
    void aFailingListener() throws IOException {
        IllegalStateException failure = new IllegalStateException("the view is closed");
        long before = Scope.liveTensors();
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            TrainingRun run = run(config(DUE), shards).listen(TrainingListener.ofSteps(progress -> {
                if (progress.result().step() == DUE) {
                    throw failure;
                }
            }));
            assertThat(catchThrowable(run::run)).isSameAs(failure);
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
        assertThat(checkpoints()).containsExactly((long) DUE);
        assertThat(reported()).isEqualTo(DUE);
        assertLastGood("step 4: reporting failed", DUE);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void aReportThatFindsTheDiskFull() throws IOException {
        long before = Scope.liveTensors();
        assertThat(failureOnAFullDisk())
                .isInstanceOf(TrainException.class)
                .hasMessageStartingWith("cannot write /dev/full");
        assertThat(Scope.liveTensors()).isEqualTo(before);
        assertThat(checkpoints()).containsExactly(1L);
        assertLastGood("step 1: reporting failed", 1);
    }

    @Test
    @EnabledOnOs(OS.LINUX)
    void theFirstOfSeveralFailuresIsThrown() throws IOException {
        damageFrom(0);
        Throwable failure = failureOnAFullDisk();
        assertThat(failure).hasMessageContaining("65535");
        assertThat(failure.getSuppressed())
                .singleElement()
                .asInstanceOf(InstanceOfAssertFactories.THROWABLE)
                .hasMessageStartingWith("cannot write /dev/full");
        assertThat(checkpoints()).containsExactly(1L);
        assertLastGood("step 1: validation failed", 1);
    }

    /** The failure of a run whose TensorBoard reports hit a full disk. Every step has a checkpoint due. */
    private Throwable failureOnAFullDisk() throws IOException {
        Path full = Path.of("/dev/full");
        Path file = folder.resolve("metrics.jsonl");
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            TrainingData data = TrainingData.of(shards);
            RunConfig config = config(1).forVocabulary(data.tokenizer().vocabularySize());
            try (RunFolder run = RunFolder.lock(folder.resolve("run"));
                    Validation validation = Validation.open(config.evaluation(), data);
                    LanguageModel model = LanguageModel.initialize(
                            config.architecture(),
                            Precision.FP32,
                            Device.CPU,
                            ParallelContext.SINGLE,
                            ExpertGradients.EXACT,
                            new RandomKey(7));
                    Metrics metrics = new Metrics(
                            file, FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE));
                    TensorBoard board = new TensorBoard(full, FileChannel.open(full, StandardOpenOption.WRITE));
                    CheckpointSaver saver = new CheckpointSaver(
                            run,
                            data.tokenizer(),
                            config.checkpoint(),
                            metrics,
                            TrainingListener.ofNotices(notices::add))) {
                Trainer trainer = new Trainer(
                        model,
                        config.batch(),
                        config.optimizer(),
                        config.schedule(),
                        Trainer.SequenceSource.of(config.sequences(data)),
                        config.seed(),
                        STEPS);
                TrainingState start = new TrainingState(
                        TrainingState.RunInputs.of(config, data.sha256(), STEPS, ParallelContext.SINGLE.layout()),
                        TrainingState.Position.START);
                TrainingLoop loop = new TrainingLoop(
                        trainer,
                        config,
                        start,
                        validation,
                        new Listeners(List.of(metrics, board, TrainingListener.ofNotices(notices::add))),
                        saver,
                        1);
                return catchThrowable(() -> loop.run(() -> false));
            }
        }
    }
}
