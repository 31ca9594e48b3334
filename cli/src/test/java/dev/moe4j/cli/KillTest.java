package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * Kills a run repeatedly, like a failing machine, and resumes it with the same command each time. Its metrics and
 * model must equal those of an uninterrupted run. {@code -Dkills=200} kills more often than the default of 6
 * times. A run in fp16, which also restores a loss scale, is killed a third as often.
 */
@DisabledOnOs(OS.WINDOWS)
class KillTest {

    private static final int KILLS = Integer.getInteger("kills", 6);

    @TempDir
    private Path temp;

    private final Random random = new Random(1);

    @ParameterizedTest
    @ValueSource(strings = {"fp32", "fp16"})
    void aRunSurvivesKills(String precision) throws IOException, InterruptedException {
        int kills = precision.equals("fp32") ? KILLS : Math.ceilDiv(KILLS, 3);
        // Enough steps that the run does not end before the last kill.
        int steps = 30 * kills;
        List<String> options = new ArrayList<>(List.of("--set=precision=" + precision, "--steps=" + steps));
        if (precision.equals("fp16")) {
            // A smaller model, since fp16 products are slow on CPUs.
            options.addAll(List.of("--set=model.layers=2", "--set=model.width=16", "--set=model.ffn=32"));
        }
        Path text = Files.writeString(temp.resolve("text.txt"), "Out, out, brief candle!\n\n".repeat(400));
        Path shards = temp.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();

        Path killed = temp.resolve("killed");
        int survived = 0;
        int whileWriting = 0;
        for (int kill = 0; kill < kills; kill++) {
            RealProcess process = start(shards, killed, options);
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
        assertThat(survived).as("runs that ended before they were killed").isZero();
        assertThat(whileWriting).as("kills during the writing of a checkpoint").isPositive();
        finish(start(shards, killed, options));

        Path uninterrupted = temp.resolve("uninterrupted");
        finish(start(shards, uninterrupted, options));
        List<ObjectNode> expected = metrics(uninterrupted);
        assertThat(expected).hasSize(steps);
        assertThat(metrics(killed)).isEqualTo(expected);
        for (String file : List.of("config.json", "model.safetensors", "optimizer.safetensors")) {
            assertThat(last(killed, steps).resolve(file))
                    .hasSameBinaryContentAs(last(uninterrupted, steps).resolve(file));
        }
        try (Stream<Path> left = Files.list(killed)) {
            assertThat(left.filter(path -> path.toString().endsWith(".tmp"))).isEmpty();
        }
    }

    private RealProcess start(Path shards, Path out, List<String> options) throws IOException {
        List<String> arguments = new ArrayList<>(List.of(
                "train",
                "--model=cpu-tiny-moe",
                "--data=" + shards,
                "--out=" + out,
                "--resume",
                "--set=model.dropout=0.1",
                "--set=model.context=32",
                "--set=batch.sequences=2",
                "--set=log.every=1",
                "--set=loss_scale.growth_interval=10",
                "--set=checkpoint.every=3"));
        arguments.addAll(options);
        return RealProcess.start(temp.resolve("err"), arguments.toArray(String[]::new));
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

    /** Waits until the run has written this line of metrics, or has ended. */
    private static void waitForLine(RealProcess process, Path run, long line) throws IOException, InterruptedException {
        while (process.alive() && lines(run) < line) {
            Thread.sleep(5);
        }
    }

    /** Waits until the run writes a checkpoint or ends. Returns true for a checkpoint. */
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

    private static Path last(Path run, int steps) {
        return run.resolve("step-%08d".formatted(steps));
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
