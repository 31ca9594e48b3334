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

/** Real processes of a test: each a small JVM that runs {@link RankMain}, with its output in a file. */
final class Ranks implements AutoCloseable {

    /** A process that has not ended by then is stuck. */
    private static final long STUCK_SECONDS = 60;

    private final Path folder;
    private final Map<String, String> common = new HashMap<>();
    private final List<Process> processes = new ArrayList<>();

    private Ranks(Path folder) {
        this.folder = folder;
    }

    /** Starts ranks 0 to {@code world} − 1, which meet at a free port of the loopback. */
    static Ranks start(Path folder, int world, int timeoutSeconds, String scenario) {
        Ranks ranks = at(folder, "tcp://127.0.0.1:" + FreePort.find(), world, timeoutSeconds);
        for (int rank = 0; rank < world; rank++) {
            ranks.start(rank, scenario);
        }
        return ranks;
    }

    /** Ranks that meet there, none of which is started yet. */
    static Ranks at(Path folder, String meeting, int world, int timeoutSeconds) {
        Ranks ranks = new Ranks(folder);
        ranks.common.put("WORLD_SIZE", String.valueOf(world));
        ranks.common.put("MOE4J_MEETING", meeting);
        ranks.common.put("MOE4J_TIMEOUT", String.valueOf(timeoutSeconds));
        return ranks;
    }

    /** Ranks that torchrun's agent, which listens at a port of the loopback, would start. */
    static Ranks ofAgent(Path folder, int port, int world, int timeoutSeconds) {
        return new Ranks(folder)
                .with("WORLD_SIZE", String.valueOf(world))
                .with("MASTER_ADDR", "127.0.0.1")
                .with("MASTER_PORT", String.valueOf(port))
                .with("TORCHELASTIC_USE_AGENT_STORE", "True")
                .with("TORCHELASTIC_RESTART_COUNT", "0")
                .with("MOE4J_TIMEOUT", String.valueOf(timeoutSeconds));
    }

    Ranks with(String variable, String value) {
        common.put(variable, value);
        return this;
    }

    /** Starts the next process as {@code rank}; {@code prefix} are words before the command, such as those of a sandbox. */
    Process start(int rank, String scenario, String... prefix) {
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
        builder.environment().put("RANK", String.valueOf(rank));
        builder.environment().put("OMP_NUM_THREADS", "1");
        try {
            Process process = builder.start();
            processes.add(process);
            return process;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    Process process(int index) {
        return processes.get(index);
    }

    /** The exit code of the process, which must end by itself. */
    int exitCode(int index) throws InterruptedException {
        if (!processes.get(index).waitFor(STUCK_SECONDS, TimeUnit.SECONDS)) {
            throw new AssertionError("rank " + index + " does not end; it printed: " + output(index) + errors(index));
        }
        return processes.get(index).exitValue();
    }

    /** What the process has printed to stdout. */
    String output(int index) {
        return read(log(index, "out"));
    }

    /** What the process has printed to stderr. */
    String errors(int index) {
        return read(log(index, "err"));
    }

    private static String read(Path file) {
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Waits until the process has printed that. */
    void awaitOutput(int index, String text) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(STUCK_SECONDS);
        while (!output(index).contains(text)) {
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
    }
}
