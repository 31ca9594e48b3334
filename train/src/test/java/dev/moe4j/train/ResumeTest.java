package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.checkpoint.CheckpointStep;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.RunFolder;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.optimizer.SpikeGuard;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** Periodic checkpoints, and runs that resume from them. */
class ResumeTest {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int STEPS = 12;

    @TempDir
    private static Path common;

    private static Path data;

    @TempDir
    private Path folder;

    private final List<String> notices = new ArrayList<>();

    @BeforeAll
    static void prepareText() throws IOException {
        data = prepare("data", "To be, or not to be, that is the question.\n\n");
    }

    private static Path prepare(String name, String sentence) throws IOException {
        Path text = Files.writeString(common.resolve(name + ".txt"), sentence.repeat(300));
        Path out = common.resolve(name);
        Preparation.Result result = new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), out).run();
        assertThat(result.manifest().splits()).containsKey(Shards.TRAIN);
        return out;
    }

    /** A run that is stopped after {@code until} steps. */
    private TrainingRun.Outcome train(String out, int until, Set<String> resume, String... overrides) {
        List<String> all = Stream.concat(
                        Stream.of("precision=fp32", "log.every=1", "batch.sequences=4"), Stream.of(overrides))
                .toList();
        try (Shards shards = Shards.open(data)) {
            TrainingRun run = new TrainingRun(
                    RunConfig.read("cpu-tiny-moe", all), shards, folder.resolve(out), STEPS, Device.CPU);
            if (!resume.equals(NOT)) {
                run.resume(resume);
            }
            long[] step = new long[1];
            return run.listen(TrainingListener.ofSteps(
                            progress -> step[0] = progress.result().step()))
                    .listen(TrainingListener.ofNotices(notices::add))
                    .stopWhen(() -> step[0] >= until)
                    .run();
        }
    }

    private static final Set<String> NOT = Set.of("not resumed");

    private TrainingRun.Outcome train(String out, int until, String... overrides) {
        return train(out, until, NOT, overrides);
    }

    private TrainingRun.Outcome resume(String out, String... overrides) {
        return train(out, STEPS, Set.of(), overrides);
    }

    private List<String> metrics(String run) throws IOException {
        return Files.readAllLines(folder.resolve(run).resolve(RunFolder.METRICS)).stream()
                .map(line -> {
                    ObjectNode json = (ObjectNode) JSON.readTree(line);
                    List<String> varying = json.propertyNames().stream()
                            .filter(name ->
                                    Stream.of("second", "rss", "utilization").anyMatch(name::contains))
                            .toList();
                    return json.remove(varying).toString();
                })
                .toList();
    }

    private List<Long> checkpoints(String run) {
        try (RunFolder opened = RunFolder.lock(folder.resolve(run))) {
            return opened.checkpoints().stream().map(CheckpointStep::step).toList();
        }
    }

    private static JsonNode state(Path checkpoint) throws IOException {
        return JSON.readTree(Files.readString(checkpoint.resolve("state.json")));
    }

    /**
     * Enables every part of the state that a step can depend on: dropout, the previous step's balance, accumulation,
     * spike guard.
     */
    @ParameterizedTest
    @CsvSource({
        "fp32, ''",
        "bf16, ''",
        "fp16, ''",
        "fp32, 'model.attention={kv_heads: 2, bias: none, qk_norm: head} model.shared={gated: true}'",
        "fp32, 'model.dense_layers=[0] model.expert_every=1 model.attention={qk_norm: width} model.rope.fraction=0.5 "
                + "model.multipliers={embedding: 3, residual: 0.5, logits: 0.5} "
                + "routing.gate={scores: sigmoid, selection_bias: true, scale: 2.5}'"
    })
    void aResumedRunIsTheUnbrokenOne(String precision, String block) throws IOException {
        String modern = "model.positions=rope model.norm.kind=rms model.activation=silu model.shared_experts=1 "
                + "model.feed_forward={gated: true, bias: false} ";
        Stream<String> keys =
                block.isEmpty() ? Stream.of() : Stream.of((modern + block).split(" (?=model|routing)", -1));
        String[] others = {
            "precision=" + precision,
            // An initial fp16 loss scale that overflows, shrinks and grows again within the run.
            "loss_scale.initial=4194304",
            "loss_scale.growth_interval=1",
            // Small, because fp16 products are slow on CPUs.
            "model.layers=2",
            "model.width=16",
            "model.ffn=32",
            "model.context=16",
            "model.dropout=0.1",
            "batch.accumulation=2",
            "balance.scope=global",
            "watch.gradient_spike=3",
            "evaluation.every=4",
            "evaluation.windows=2",
            "evaluation.sets.train_text=" + data
        };
        String[] overrides = Stream.concat(Stream.of(others), keys).toArray(String[]::new);
        TrainingRun.Outcome whole = train("whole", STEPS, overrides);
        train("broken", 5, overrides);
        // As after a kill: lines of steps after the checkpoint, and half a line.
        Path lines = folder.resolve("broken").resolve(RunFolder.METRICS);
        Files.writeString(lines, "{\"step\":6,\"loss\":9}\n{\"step\":7,\"lo", StandardOpenOption.APPEND);
        train("broken", 9, Set.of(), overrides);
        TrainingRun.Outcome resumed = resume("broken", overrides);

        assertThat(metrics("broken")).hasSize(STEPS).isEqualTo(metrics("whole"));
        if (precision.equals("fp16")) {
            List<Double> scales = metrics("whole").stream()
                    .map(line -> JSON.readTree(line).path("loss_scale").asDouble())
                    .toList();
            assertThat(scales).startsWith(0x1p22, 0x1p21);
            assertThat(IntStream.range(1, STEPS))
                    .as("grows: " + scales)
                    .anyMatch(i -> scales.get(i) > scales.get(i - 1));
        }
        assertThat(notices).anyMatch(notice -> notice.contains("after step 5 of 12"));
        for (String file : List.of("config.json", "model.safetensors", "optimizer.safetensors")) {
            assertThat(resumed.checkpoint().resolve(file))
                    .hasSameBinaryContentAs(whole.checkpoint().resolve(file));
        }
        assertThat(resumed.tokens()).isEqualTo(whole.tokens()).isEqualTo(STEPS * 4 * 16);
        assertThat(resumed.loss()).isEqualTo(whole.loss());
        assertThat(resumed.best()).isEqualTo(whole.best()).isNotNull();
        ObjectNode a = (ObjectNode) state(resumed.checkpoint());
        ObjectNode b = (ObjectNode) state(whole.checkpoint());
        List<String> varying = List.of("seconds", "sha256");
        assertThat(a.remove(varying)).isEqualTo(b.remove(varying));
    }

    @Test
    void resumingNothingBeginsAfresh() throws IOException {
        Files.createDirectories(folder.resolve("run"));
        Files.writeString(folder.resolve("run").resolve(RunFolder.METRICS), "{\"step\":3}\n");
        assertThat(resume("run").steps()).isEqualTo(STEPS);
        assertThat(metrics("run")).hasSize(STEPS);
    }

    @Test
    void resumingWhatIsFinishedChangesNothing() throws IOException {
        TrainingRun.Outcome first = resume("run");
        List<String> lines = metrics("run");
        TrainingRun.Outcome second = resume("run");
        assertThat(second.checkpoint()).isEqualTo(first.checkpoint());
        assertThat(second.loss()).isEqualTo(first.loss());
        assertThat(metrics("run")).isEqualTo(lines);
    }

    @Test
    void keepsTheNewestTheBestAndEveryKth() {
        train("run", STEPS, "checkpoint.every=1", "checkpoint.keep=2", "checkpoint.keep_every=5");
        assertThat(checkpoints("run")).containsExactly(12L, 11L, 10L, 5L);
        // With a negligible learning rate, the best evaluation is the first one or a random later one.
        TrainingRun.Outcome outcome = train(
                "best",
                STEPS,
                "checkpoint.every=0",
                "checkpoint.keep=1",
                "evaluation.every=2",
                "evaluation.sets.valid=" + data,
                "optimizer.learning_rate=10");
        BestEvaluation best = Objects.requireNonNull(outcome.best());
        assertThat(checkpoints("best")).first().isEqualTo(12L);
        assertThat(checkpoints("best")).contains(best.step()).hasSizeLessThanOrEqualTo(2);
        train("all", 4, "checkpoint.every=1", "checkpoint.keep=0");
        assertThat(checkpoints("all")).containsExactly(4L, 3L, 2L, 1L);
    }

    @Test
    void theMasterIsRecoveredAndMemoryReturned() {
        train("run", 2);
        long before = Scope.liveTensors();
        train("run", 8, Set.of(), "checkpoint.every=2");
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void aRunIsNotResumedBeforeItsOwnStep() throws IOException {
        train("run", STEPS);
        Path config = folder.resolve("run").resolve(RunFolder.CONFIG);
        String trained = Files.readString(config);
        List<String> other = List.of("precision=fp32", "log.every=1", "batch.sequences=4", "optimizer.learning_rate=1");
        try (Shards shards = Shards.open(data)) {
            RunConfig read = RunConfig.read("cpu-tiny-moe", other);
            Set<String> allowed = Set.of("steps", "optimizer");
            Path run = folder.resolve("run");
            assertThatThrownBy(() -> new TrainingRun(read, shards, run, STEPS - 3, Device.CPU)
                            .resume(allowed)
                            .run())
                    .isInstanceOf(TrainException.class)
                    .hasMessage(run + " already has 12 steps, more than the 9 of the resumed run; ask for at least 12");
            // A finished run can be resumed without further steps.
            assertThat(new TrainingRun(read, shards, run, STEPS, Device.CPU)
                            .resume(allowed)
                            .run()
                            .steps())
                    .isEqualTo(STEPS);
        }
        assertThat(config).hasContent(trained);
    }

    @Test
    void changesThatMatterAreRefusedByName() throws IOException {
        train("run", 3);
        assertThatThrownBy(() -> resume("run", "optimizer.learning_rate=0.5", "model.dropout=0.3"))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("model.dropout was 0.0 and is now 0.3")
                .hasMessageContaining("optimizer.learning_rate was 0.002 and is now 0.5")
                .hasMessageContaining("allow the change of model.dropout");
        assertThatThrownBy(() -> train("run", STEPS, Set.of("model.dropout"), "model.dropout=0.3", "seed=4"))
                .hasMessageContaining("seed was 1 and is now 4")
                .hasMessageNotContaining("model.dropout was");
        assertThatThrownBy(() -> train("run", STEPS, Set.of("model.droput")))
                .hasMessageContaining("model.droput: there is no such key")
                .hasMessageContaining("model.dropout");
        // An allowed change may still be impossible: here the shapes differ.
        assertThatThrownBy(() -> train("run", STEPS, Set.of("model"), "model.ffn=128"))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("fc1.weight");

        assertThat(train("run", STEPS, Set.of("model"), "model.dropout=0.3", "log.every=2", "checkpoint.every=5")
                        .steps())
                .isEqualTo(STEPS);
    }

    @Test
    void dataThreadsAndStepsAreRecordedToo() throws IOException {
        train("run", 2);
        int threads = Libtorch.threads();
        try {
            Libtorch.threads(threads + 1);
            assertThatThrownBy(() -> resume("run"))
                    .hasMessageContaining("threads was " + threads + " and is now " + (threads + 1));
            assertThat(train("run", 3, Set.of("threads")).steps()).isEqualTo(3);
        } finally {
            Libtorch.threads(threads);
        }
        Path mine = data;
        try {
            data = prepare("other", "Now is the winter of our discontent.\n\n");
            assertThatThrownBy(() -> train("run", STEPS, Set.of("threads"))).hasMessageContaining("data was ");
        } finally {
            data = mine;
        }
    }

    @Test
    void damageIsNamed() throws IOException {
        Path checkpoint = train("run", 2).checkpoint();
        for (String file : List.of("config.json", "model.safetensors", "optimizer.safetensors", "state.json")) {
            Path path = checkpoint.resolve(file);
            byte[] whole = Files.readAllBytes(path);
            byte[] damaged = whole.clone();
            damaged[whole.length - 12] ^= 1;
            Files.write(path, damaged);
            assertThatThrownBy(() -> resume("run")).as(file).hasMessageContaining(file);
            Files.write(path, java.util.Arrays.copyOf(whole, whole.length - 1));
            assertThatThrownBy(() -> resume("run")).as("short " + file).hasMessageContaining(file);
            Files.delete(path);
            assertThatThrownBy(() -> resume("run")).as("no " + file).hasMessageContaining(file);
            Files.write(path, whole);
        }
        String state = Files.readString(checkpoint.resolve("state.json"), StandardCharsets.UTF_8);
        Files.writeString(checkpoint.resolve("state.json"), state.replace("\"step\" : 2", "\"step\" : 1"));
        assertThatThrownBy(() -> resume("run")).hasMessageContaining("SHA-256");
        Files.writeString(checkpoint.resolve("state.json"), state);
        assertThat(resume("run").steps()).isEqualTo(STEPS);
    }

    @Test
    void whatWasLeftUnfinishedIsRemoved() throws IOException {
        train("run", 2);
        Path unfinished = Files.createDirectories(folder.resolve("run/step-00000009.0badcafe.tmp"));
        Path somebodyElses = Files.writeString(folder.resolve("run/notes.tmp"), "notes");
        Files.writeString(unfinished.resolve("config.json"), "{}");
        assertThat(resume("run").steps()).isEqualTo(STEPS);
        assertThat(unfinished).doesNotExist();
        assertThat(somebodyElses).hasContent("notes");
    }

    @Test
    void oneFolderIsOneRuns() {
        Path run = folder.resolve("run");
        try (RunFolder _ = RunFolder.lock(run)) {
            assertThatThrownBy(() -> train("run", 1))
                    .isInstanceOf(TrainException.class)
                    .hasMessageContaining("is in use by another process (process "
                            + ProcessHandle.current().pid());
        }
        assertThat(train("run", 1).steps()).isEqualTo(1);
    }

    @Test
    void evaluatesOnTheWayAndStopsWhenItNoLongerHelps() throws IOException {
        String set = "evaluation.sets.same=" + data;
        train("run", STEPS, "evaluation.every=5", set, "log.every=100");
        assertThat(metrics("run"))
                .extracting(line -> JSON.readTree(line).path("step").asInt())
                .containsExactly(5, 10, 12);
        assertThat(metrics("run")).allSatisfy(line -> {
            JsonNode json = JSON.readTree(line);
            double loss = json.path("same_loss").asDouble();
            assertThat(loss).isBetween(1.0, 6.0);
            assertThat(json.path("same_ppl").asDouble()).isCloseTo(Math.exp(loss), within(1e-9));
        });

        // At this rate the loss always rises.
        TrainingRun.Outcome stopped = train(
                "early",
                STEPS,
                "evaluation.every=1",
                "evaluation.patience=2",
                set,
                "optimizer.learning_rate=100",
                "schedule.warmup=0");
        assertThat(stopped.steps()).isLessThan(STEPS);
        assertThat(notices).anyMatch(notice -> notice.contains("2 evaluations in a row"));
        // A resumed run ends immediately.
        assertThat(train(
                                "early",
                                STEPS,
                                Set.of(),
                                "evaluation.every=1",
                                "evaluation.patience=2",
                                set,
                                "optimizer.learning_rate=100",
                                "schedule.warmup=0")
                        .steps())
                .isEqualTo(stopped.steps());
    }

    @Test
    void validationSetsThatDoNotFitAreRefused() throws IOException {
        assertThatThrownBy(() -> train("run", 1, "evaluation.every=1"))
                .hasMessageContaining("the data has no held-out text");
        assertThatThrownBy(() -> train("run2", 1, "evaluation.every=1", "evaluation.sets.wiki=/nowhere"))
                .hasMessageContaining("evaluation.sets.wiki")
                .hasMessageContaining("/nowhere");
        Path text = Files.writeString(common.resolve("gpt.txt"), "Words, words, words. ".repeat(50));
        Path other = common.resolve("gpt");
        new Preparation(Tokenizer.of("gpt2:512"), TextInput.of(List.of(text)), other).run();
        assertThatThrownBy(() -> train("run3", 1, "evaluation.every=1", "evaluation.sets.wiki=" + other))
                .hasMessageContaining("was made with the tokenizer gpt2:512")
                .hasMessageContaining("the run's data with bytes; prepare the set again");
        assertThatThrownBy(() -> train("run4", 1, "evaluation.patience=1")).hasMessageContaining("evaluation.every");
    }

    @Test
    void whatIsNoNumberComesWithItsPlaceAndTheLastGoodCheckpoint() {
        assertThatThrownBy(() -> train(
                        "run",
                        STEPS,
                        "checkpoint.every=1",
                        "optimizer.learning_rate=1e20",
                        "schedule.warmup=0",
                        "optimizer.clip=0"))
                .isInstanceOf(TrainException.class)
                .hasMessageMatching("step \\d+: the loss is .* first in \\S.*at sequences \\d+ to \\d+.*")
                .hasMessageContaining("the last good checkpoint is " + folder.resolve("run/step-0000000"));
        assertThat(checkpoints("run")).isNotEmpty();
    }

    @Test
    void spikesMakeNoUpdate() throws IOException {
        // Every gradient norm exceeds a thousandth of the mean, so every step is skipped once the mean is trusted.
        assertThatThrownBy(() -> {
                    List<String> all = List.of("precision=fp32", "log.every=1", "watch.gradient_spike=0.001");
                    try (Shards shards = Shards.open(data)) {
                        new TrainingRun(
                                        RunConfig.read("cpu-tiny-moe", all),
                                        shards,
                                        folder.resolve("run"),
                                        100,
                                        Device.CPU)
                                .run();
                    }
                })
                .hasMessageContaining("were all spikes");
        List<String> lines = metrics("run");
        long trusted = SpikeGuard.WARM_UP_STEPS;
        assertThat(JSON.readTree(lines.get((int) trusted - 1))
                        .path("skipped_updates")
                        .asInt())
                .isZero();
        assertThat(JSON.readTree(lines.get((int) trusted + 2))
                        .path("skipped_updates")
                        .asInt())
                .isEqualTo(3);
    }
}
