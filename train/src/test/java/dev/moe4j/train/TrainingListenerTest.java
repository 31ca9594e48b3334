package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.tensor.Device;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.TrainingListener;
import dev.moe4j.train.metrics.TrainingProgress;
import dev.moe4j.train.metrics.TrainingReport;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TrainingListenerTest {

    @TempDir
    private Path folder;

    /** Records each event as a line. */
    private static final class Recorder implements TrainingListener {

        private final List<String> events = new ArrayList<>();

        @Override
        public void onStart(long done, long steps) {
            events.add("start " + done + " of " + steps);
        }

        @Override
        public void onStep(TrainingProgress progress) {
            events.add("step " + progress.result().step());
        }

        @Override
        public void onEvaluation(long step, SequencedMap<String, Double> losses) {
            events.add("evaluation " + step + " of " + losses.keySet());
        }

        @Override
        public void onReport(TrainingReport report) {
            events.add("report " + report.progress().result().step() + ", " + report.tokens() + " tokens");
        }

        @Override
        public void onCheckpoint(Path checkpoint) {
            assertThat(checkpoint).isDirectory();
            events.add("checkpoint " + checkpoint.getFileName());
        }

        @Override
        public void onEnd(long step, Path checkpoint) {
            events.add("end " + step + ", " + checkpoint.getFileName());
        }
    }

    @Test
    void receivesAllEventsInOrder() throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "Sound and fury. ".repeat(300));
        Preparation.Result _ =
                new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), folder.resolve("data")).run();
        assertThat(train(2, 3))
                .containsExactly(
                        "start 0 of 3",
                        "step 1",
                        "evaluation 2 of [text]",
                        "report 2, 512 tokens",
                        "step 2",
                        "checkpoint step-00000002",
                        "end 2, step-00000002");
        assertThat(train(3, 3))
                .containsExactly(
                        "start 2 of 3",
                        "evaluation 3 of [text]",
                        "report 3, 768 tokens",
                        "step 3",
                        "checkpoint step-00000003",
                        "end 3, step-00000003");
    }

    /** The events of a run that is stopped after {@code until} steps. */
    private List<String> train(long until, long steps) {
        Recorder recorder = new Recorder();
        long[] done = new long[1];
        try (Shards shards = Shards.open(folder.resolve("data"))) {
            List<String> overrides = List.of(
                    "precision=fp32",
                    "batch.sequences=4",
                    "log.every=50",
                    "evaluation.every=2",
                    "evaluation.windows=1",
                    "evaluation.sets.text=" + folder.resolve("data"));
            TrainingRun.Outcome _ = new TrainingRun(
                            RunConfig.read("cpu-tiny-moe", overrides), shards, folder.resolve("run"), steps, Device.CPU)
                    .listen(TrainingListener.ofSteps(
                            progress -> done[0] = progress.result().step()))
                    .listen(recorder)
                    .resume(Set.of())
                    .stopWhen(() -> done[0] >= until)
                    .run();
        }
        return recorder.events;
    }
}
