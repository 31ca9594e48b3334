package dev.moe4j.parallel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntFunction;
import java.util.stream.IntStream;

/** Real processes for a test. Each is a small JVM that runs {@link RankMain} and writes its output to a file. */
public final class Ranks implements AutoCloseable {

    /** A process that runs longer is stuck. */
    public static final long STUCK_SECONDS = 300;

    /** A process prints this to stderr when it has loaded libtorch. */
    public static final String READY = "ready";

    /** The property that names the file on which ready processes wait. */
    private static final String GO = "TEST_GO";

    private final Path folder;
    private final String rankVariable;
    private final Map<String, String> common = new HashMap<>();
    private final List<Process> processes = new ArrayList<>();
    private final List<ReservedPort> reserved = new ArrayList<>();

    private Ranks(Path folder, String rankVariable) {
        this.folder = folder;
        this.rankVariable = rankVariable;
    }

    /** Starts ranks 0 to {@code world} − 1 with a rendezvous on a reserved port. */
    public static Ranks start(Path folder, int world, int timeoutSeconds, String scenario) throws InterruptedException {
        ReservedPort port = ReservedPort.take();
        Ranks ranks = at(folder, port.meeting(), world, timeoutSeconds);
        ranks.reserved.add(port);
        ranks.startTogether(scenario, IntStream.range(0, world).toArray());
        return ranks;
    }

    /** Starts these ranks and lets them continue when all are ready, because on a busy machine some start seconds later. */
    public void startTogether(String scenario, int... ranks) throws InterruptedException {
        Path go = folder.resolve("go");
        with(GO, go.toString());
        for (int rank : ranks) {
            start(rank, scenario);
        }
        for (int index = 0; index < ranks.length; index++) {
            await(index, READY, this::errors);
        }
        try {
            Files.createFile(go);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits for the other processes. Called in a process of {@link #startTogether}. */
    public static void awaitGo() {
        String go = System.getenv(GO);
        while (go != null && !Files.exists(Path.of(go))) {
            LockSupport.parkNanos(5_000_000);
        }
    }

    /** Returns a file for this process to write. Called in a process of {@link #startTogether}. */
    public static Path written() {
        return Path.of(System.getenv(GO)).resolveSibling("written");
    }

    /** Returns ranks with a rendezvous point. None of them is started yet. */
    public static Ranks at(Path folder, String meeting, int world, int timeoutSeconds) {
        Ranks ranks = new Ranks(folder, "RANK");
        ranks.common.put("WORLD_SIZE", String.valueOf(world));
        ranks.common.put("MOE4J_MEETING", meeting);
        ranks.common.put("MOE4J_TIMEOUT", String.valueOf(timeoutSeconds));
        return ranks;
    }

    /** Returns ranks with the variables of torchrun, whose agent listens on a loopback port. */
    public static Ranks ofAgent(Path folder, int port, int world, int timeoutSeconds) {
        return new Ranks(folder, "RANK")
                .with("WORLD_SIZE", String.valueOf(world))
                .with("MASTER_ADDR", "127.0.0.1")
                .with("MASTER_PORT", String.valueOf(port))
                .with("TORCHELASTIC_USE_AGENT_STORE", "True")
                .with("TORCHELASTIC_RESTART_COUNT", "0")
                .with("MOE4J_TIMEOUT", String.valueOf(timeoutSeconds));
    }

    /** Returns ranks with the variables of a Slurm job on this machine. */
    public static Ranks ofSlurm(Path folder, int job, int world, int timeoutSeconds) {
        return new Ranks(folder, "SLURM_PROCID")
                .with("SLURM_STEP_NUM_TASKS", String.valueOf(world))
                .with("SLURM_STEP_NODELIST", "localhost")
                .with("SLURM_JOB_ID", String.valueOf(job))
                .with("MOE4J_TIMEOUT", String.valueOf(timeoutSeconds));
    }

    public Ranks with(String variable, String value) {
        common.put(variable, value);
        return this;
    }

    /** Starts the next process as {@code rank}. {@code prefix} precedes the command and may start a sandbox. */
    public Process start(int rank, String scenario, String... prefix) {
        List<String> command = new ArrayList<>(List.of(prefix));
        command.addAll(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx128m",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "-Dorg.bytedeco.javacpp.nopointergc=true",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                RankMain.class.getName(),
                scenario));
        ProcessBuilder builder = new ProcessBuilder(command)
                .redirectError(log(processes.size(), "err").toFile())
                .redirectOutput(log(processes.size(), "out").toFile());
        builder.environment().putAll(common);
        builder.environment().put(rankVariable, String.valueOf(rank));
        builder.environment().put("OMP_NUM_THREADS", "1");
        try {
            Process process = builder.start();
            processes.add(process);
            return process;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    public Process process(int index) {
        return processes.get(index);
    }

    /** Waits for the process to exit without help, and returns its exit code. */
    public int exitCode(int index) throws InterruptedException {
        if (!processes.get(index).waitFor(STUCK_SECONDS, TimeUnit.SECONDS)) {
            throw new AssertionError("rank " + index + " does not end; it printed: " + output(index) + errors(index));
        }
        return processes.get(index).exitValue();
    }

    /** Returns the process's stdout so far. */
    public String output(int index) {
        return read(log(index, "out"));
    }

    /** Returns the process's stderr so far. */
    public String errors(int index) {
        return read(log(index, "err"));
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until the process has printed {@code text}. */
    public void awaitOutput(int index, String text) throws InterruptedException {
        await(index, text, this::output);
    }

    private void await(int index, String text, IntFunction<String> printed) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(STUCK_SECONDS);
        while (!printed.apply(index).contains(text)) {
            if (System.nanoTime() > end || !processes.get(index).isAlive()) {
                throw new AssertionError(
                        "rank " + index + " did not print '" + text + "' but: " + output(index) + errors(index));
            }
            Thread.sleep(20);
        }
    }

    private Path log(int index, String stream) {
        return folder.resolve("process-" + index + "." + stream);
    }

    @Override
    public void close() {
        processes.forEach(Process::destroyForcibly);
        reserved.forEach(ReservedPort::close);
    }
}
