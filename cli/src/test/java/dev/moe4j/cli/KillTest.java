package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * A run that is killed again and again, as a machine that fails would, and resumed by the same command each time, leaves
 * the metrics and the model of an unbroken run. {@code -Dkills=200} kills more often than the default 20 times.
 */
@DisabledOnOs(OS.WINDOWS)
class KillTest {

    private static final int KILLS = Integer.getInteger("kills", 20);

    /** So many that the run is not over before the last kill. */
    private static final int STEPS = 30 * KILLS;

    @TempDir
    private Path temp;

    private final Random random = new Random(1);

    @Test
    void aRunSurvivesKills() throws IOException, InterruptedException {
        Path text = Files.writeString(temp.resolve("text.txt"), "Out, out, brief candle!\n\n".repeat(400));
        Path shards = temp.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();

        Path killed = temp.resolve("killed");
        int survived = 0;
        int whileWriting = 0;
        for (int kill = 0; kill < KILLS; kill++) {
            RealProcess process = start(shards, killed);
            boolean writing = kill % 2 == 0;
            waitForLine(process, killed, lines(killed) + 1 + random.nextInt(20));
            if (writing) {
                whileWriting += waitForWriting(process, killed) ? 1 : 0;
            } else {
                Thread.sleep(random.nextInt(40));
            }
            process.process().destroyForcibly();
            survived += process.code() == 0 ? 1 : 0;
        }
        assertThat(survived).as("runs that were over before they were killed").isZero();
        assertThat(whileWriting).as("kills while a checkpoint was written").isPositive();
        finish(start(shards, killed));

        Path whole = temp.resolve("whole");
        finish(start(shards, whole));
        List<ObjectNode> expected = metrics(whole);
        assertThat(expected).hasSize(STEPS);
        assertThat(metrics(killed)).isEqualTo(expected);
        for (String file : List.of("config.json", "model.safetensors", "optimizer.safetensors")) {
            assertThat(last(killed).resolve(file))
                    .hasSameBinaryContentAs(last(whole).resolve(file));
        }
        try (Stream<Path> left = Files.list(killed)) {
            assertThat(left.filter(path -> path.toString().endsWith(".tmp"))).isEmpty();
        }
    }

    private RealProcess start(Path shards, Path out) throws IOException {
        return RealProcess.start(
                temp.resolve("err"),
                "train",
                "--model=cpu-tiny-moe",
                "--data=" + shards,
                "--steps=" + STEPS,
                "--out=" + out,
                "--resume",
                "--set=precision=fp32",
                "--set=model.dropout=0.1",
                "--set=model.context=32",
                "--set=batch.sequences=2",
                "--set=log.every=1",
                "--set=checkpoint.every=3");
    }

    private static void finish(RealProcess process) throws IOException, InterruptedException {
        assertThat(process.code()).as(process.said()).isZero();
    }

    private static long lines(Path run) throws IOException {
        Path file = run.resolve("metrics.jsonl");
        if (!Files.exists(file)) {
            return 0;
        }
        try (Stream<String> lines = Files.lines(file)) {
            return lines.count();
        }
    }

    /** Waits until the run has got that far, or is over. */
    private static void waitForLine(RealProcess process, Path run, long line) throws IOException, InterruptedException {
        while (process.alive() && lines(run) < line) {
            Thread.sleep(5);
        }
    }

    /** Waits until a checkpoint is being written, or the run is over; says which. */
    private static boolean waitForWriting(RealProcess process, Path run) throws IOException {
        while (process.alive()) {
            try (Stream<Path> files = Files.list(run)) {
                if (files.anyMatch(path -> path.getFileName().toString().matches("step-.*\\.tmp"))) {
                    return true;
                }
            }
        }
        return false;
    }

    private static Path last(Path run) {
        return run.resolve("step-%08d".formatted(STEPS));
    }

    private static List<ObjectNode> metrics(Path run) throws IOException {
        return Files.readAllLines(run.resolve("metrics.jsonl")).stream()
                .map(line -> {
                    ObjectNode json = (ObjectNode) JsonMapper.shared().readTree(line);
                    List<String> varying = json.propertyNames().stream()
                            .filter(name -> Stream.of("second", "time", "_ms", "rss", "utilization")
                                    .anyMatch(name::contains))
                            .toList();
                    return json.remove(varying);
                })
                .toList();
    }
}
