package dev.moe4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import tools.jackson.databind.json.JsonMapper;

/** Runs that are asked to stop, whose folder is in use, or whose disk is full. */
@DisabledOnOs(OS.WINDOWS)
class TrainProcessTest {

    @TempDir
    private static Path common;

    private static Path shards;

    @TempDir
    private Path temp;

    @BeforeAll
    static void prepareText() throws IOException {
        Path text = Files.writeString(common.resolve("text.txt"), "Out, out, brief candle!\n\n".repeat(400));
        shards = common.resolve("shards");
        Run prepared = Run.of("prepare", "--tokenizer=bytes", "--out=" + shards, text.toString());
        assertThat(prepared.code()).as(prepared.err()).isZero();
    }

    private static String[] args(Path out, int steps, String... more) {
        return Stream.concat(
                        Stream.of(
                                "train",
                                "--model=cpu-tiny-moe",
                                "--data=" + shards,
                                "--steps=" + steps,
                                "--out=" + out,
                                "--set=precision=fp32",
                                "--set=log.every=1"),
                        Stream.of(more))
                .toArray(String[]::new);
    }

    private RealProcess started(Path out) throws IOException, InterruptedException {
        RealProcess process = RealProcess.start(temp.resolve("err"), args(out, 1_000_000));
        Path metrics = out.resolve("metrics.jsonl");
        while (process.alive() && !(Files.exists(metrics) && Files.size(metrics) > 0)) {
            Thread.sleep(20);
        }
        assertThat(process.alive()).as(process.said()).isTrue();
        return process;
    }

    @Test
    void sigtermEndsARunWithACheckpointThatCanBeResumed() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess process = started(out);
        process.process().destroy();
        assertThat(process.code()).as(process.said()).isEqualTo(128 + 15);
        List<String> lines = Files.readAllLines(out.resolve("metrics.jsonl"));
        assertThat(lines).isNotEmpty();
        int steps = JsonMapper.shared().readTree(lines.getLast()).path("step").asInt();
        assertThat(out.resolve("step-%08d".formatted(steps))).isDirectory();

        // Allow another instruction set: other tests in this JVM may have loaded libtorch with AMX tiles, which an
        // fp32 training process does not use.
        Run resumed =
                Run.of(args(out, steps + 2, "--resume", "--allow-change=steps", "--allow-change=instruction_set"));
        assertThat(resumed.code()).as(resumed.err()).isZero();
        assertThat(resumed.err()).contains("resuming");
        assertThat(Files.readAllLines(out.resolve("metrics.jsonl"))).hasSize(steps + 2);
    }

    /**
     * A run that has not started training ends immediately: rank 0 waits up to an hour for a rank that never
     * connects.
     */
    @Test
    void sigtermEndsARunThatWaitsForOtherProcesses() throws IOException, InterruptedException {
        Path meeting = temp.resolve("meeting");
        ProcessBuilder builder = RealProcess.builder(args(temp.resolve("run"), 3))
                .redirectErrorStream(true)
                .redirectOutput(temp.resolve("err").toFile());
        builder.environment()
                .putAll(Map.of(
                        "RANK",
                        "0",
                        "WORLD_SIZE",
                        "2",
                        "MOE4J_MEETING",
                        meeting.toUri().toString(),
                        "MOE4J_TIMEOUT",
                        "3600"));
        RealProcess process = new RealProcess(builder.start(), temp.resolve("err"));
        try {
            while (process.alive() && !(Files.exists(meeting) && Files.size(meeting) > 0)) {
                Thread.sleep(20);
            }
            process.process().destroy();
            assertThat(process.process().waitFor(1, TimeUnit.MINUTES))
                    .as(process.said())
                    .isTrue();
            assertThat(process.code()).as(process.said()).isEqualTo(128 + 15);
        } finally {
            process.process().destroyForcibly();
        }
    }

    /** Root may write anywhere, so the process drops that capability. */
    @Test
    void aReadOnlyFolderIsReported() throws IOException, InterruptedException {
        Path readOnly = Files.createDirectory(temp.resolve("read-only"));
        Files.setPosixFilePermissions(readOnly, PosixFilePermissions.fromString("r-xr-xr-x"));
        List<String> prefix = Files.isWritable(readOnly)
                ? List.of("setpriv", "--bounding-set=-dac_override,-dac_read_search")
                : List.of();
        assumeTrue(
                prefix.isEmpty() || command("setpriv", prefix.getLast(), "test", "!", "-w", readOnly.toString()) == 0,
                "needs setpriv where root runs the tests");
        List<String> command = new ArrayList<>(prefix);
        command.addAll(RealProcess.builder(args(readOnly.resolve("run"), 1)).command());
        Path said = temp.resolve("err");
        Process process = new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(said.toFile())
                .start();
        assertThat(process.waitFor()).as(Files.readString(said)).isEqualTo(1);
        assertThat(Files.readString(said))
                .isEqualTo("moe4j: cannot write the run to " + readOnly.resolve("run") + ": permission denied\n");
    }

    @Test
    void aFolderInUseIsRejected() throws IOException, InterruptedException {
        Path out = temp.resolve("run");
        RealProcess process = started(out);
        try {
            Run second = Run.of(args(out, 3, "--resume"));
            assertThat(second.code()).isEqualTo(1);
            assertThat(second.err())
                    .contains("is in use by another process (process "
                            + process.process().pid());
        } finally {
            process.process().destroyForcibly();
            process.code();
        }
        // The system releases the lock of a dead process.
        Run third = Run.of(args(out, 3, "--resume"));
        assertThat(third.code()).as(third.err()).isZero();
    }

    @Test
    void aFullDiskKeepsCompleteCheckpoints() throws IOException, InterruptedException {
        Path disk = Files.createDirectory(temp.resolve("disk"));
        // The third checkpoint does not fit on the disk.
        long two = 5 * checkpointBytes() / 2;
        assumeTrue(
                command("mount", "-t", "tmpfs", "-o", "size=" + two, "moe4j-test", disk.toString()) == 0,
                "needs the right to mount a small disk");
        try {
            Path out = disk.resolve("run");
            Run full = Run.of(args(out, 5, "--set=checkpoint.every=1", "--set=checkpoint.keep=0"));
            assertThat(full.code()).isEqualTo(1);
            assertThat(full.err())
                    .contains("no space left on the device", "training goes on")
                    .contains("moe4j: cannot write the checkpoint " + out.resolve("step-00000005"));
            try (Stream<Path> files = Files.list(out)) {
                assertThat(files.map(file -> file.getFileName().toString()).filter(name -> name.startsWith("step-")))
                        .containsExactlyInAnyOrder("step-00000001", "step-00000002");
            }
            assertThat(command("mount", "-o", "remount,size=" + 4 * two, disk.toString()))
                    .isZero();
            Run resumed = Run.of(args(out, 5, "--resume", "--set=checkpoint.every=1", "--set=checkpoint.keep=0"));
            assertThat(resumed.code()).as(resumed.err()).isZero();
            assertThat(resumed.err()).contains("after step 2 of 5");
            assertThat(Files.readAllLines(out.resolve("metrics.jsonl"))).hasSize(5);
        } finally {
            assertThat(command("umount", disk.toString())).isZero();
        }
    }

    private long checkpointBytes() throws IOException {
        Path out = temp.resolve("measure");
        assertThat(Run.of(args(out, 1)).code()).isZero();
        try (Stream<Path> files = Files.list(out.resolve("step-00000001"))) {
            return files.mapToLong(file -> file.toFile().length()).sum();
        }
    }

    private static int command(String... command) throws IOException, InterruptedException {
        return new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
    }
}
