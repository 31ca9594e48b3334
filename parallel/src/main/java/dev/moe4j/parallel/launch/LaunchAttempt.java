package dev.moe4j.parallel.launch;

import dev.moe4j.parallel.layout.ParallelException;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** One attempt of a {@link Launcher}: the processes of all ranks, from their start to their end. */
final class LaunchAttempt {

    /**
     * How long the other ranks may run after a failure, to find the rank at fault and print it. Their health check of a
     * stopped rank takes five seconds.
     */
    private static final Duration GRACE = Duration.ofSeconds(8);

    private static final int LAST_LINES = 5;
    private static final int WRONG_USAGE = 2;
    /** Exit codes above this value mean the end by a signal. */
    private static final int SIGNALS = 128;

    /** The exit code after SIGTERM, also of ranks that stop because another rank got SIGTERM. */
    static final int STOPPED = SIGNALS + 15;

    /** The exit code after Ctrl-C, which a terminal sends to all processes. */
    private static final int INTERRUPTED = SIGNALS + 2;

    record Failure(int rank, int code, Path log, List<String> lastLines) {

        /** Whether the command line was rejected. A restart would not help. */
        boolean isWrongUsage() {
            return code == WRONG_USAGE;
        }

        boolean bySignal() {
            return code > SIGNALS;
        }

        String describe() {
            return bySignal()
                    ? "rank %d was ended by signal %d".formatted(rank, code - SIGNALS)
                    : "rank %d failed with exit code %d".formatted(rank, code);
        }
    }

    private final Launcher.Plan plan;
    private final Path meeting;
    private final List<Process> processes = new ArrayList<>();
    private final List<Thread> pumps = new ArrayList<>();
    private final BlockingQueue<Integer> ended = new LinkedBlockingQueue<>();
    private boolean stopped;

    private LaunchAttempt(Launcher.Plan plan, Path meeting) {
        this.plan = plan;
        this.meeting = meeting;
    }

    static LaunchAttempt start(Launcher.Plan plan, int number, Consumer<String> out, Consumer<String> err) {
        try {
            // Ranks meet at a file, because a free port may be taken before rank 0 listens on it.
            LaunchAttempt attempt = new LaunchAttempt(
                    plan, Files.createTempDirectory("moe4j-meeting-").resolve("store"));
            try {
                for (int rank = 0; rank < plan.processes(); rank++) {
                    attempt.start(rank, number, out, err);
                }
                return attempt;
            } catch (IOException e) {
                attempt.end();
                throw e;
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void start(int rank, int number, Consumer<String> out, Consumer<String> err) throws IOException {
        Path log = log(rank);
        // Restarts append, so that the log keeps the failure of the earlier attempt.
        Files.writeString(
                log,
                number == 1 ? "" : "=== attempt " + number + System.lineSeparator(),
                StandardOpenOption.CREATE,
                number == 1 ? StandardOpenOption.TRUNCATE_EXISTING : StandardOpenOption.APPEND);
        ProcessBuilder builder = new ProcessBuilder(Launcher.command(plan, number));
        if (rank != 0) {
            builder.redirectErrorStream(true).redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()));
        }
        Map<String, String> environment = builder.environment();
        // The ranks communicate over the loopback interface, so a rendezvous of the parent process must not be
        // inherited.
        environment.keySet().removeAll(List.of("MASTER_ADDR", "MASTER_PORT", RankEnvironment.AGENT_STORE));
        environment.put("RANK", String.valueOf(rank));
        environment.put("WORLD_SIZE", String.valueOf(plan.processes()));
        environment.put("LOCAL_RANK", String.valueOf(rank));
        environment.put("LOCAL_WORLD_SIZE", String.valueOf(plan.processes()));
        environment.put(RankEnvironment.MEETING, meeting.toUri().toString());
        // An address instead of a name, because the loopback interface may have several addresses.
        environment.put(
                RankEnvironment.INTERFACE, InetAddress.getLoopbackAddress().getHostAddress());
        environment.put(RankEnvironment.TIMEOUT, String.valueOf(plan.timeout().toSeconds()));
        environment.put(
                LauncherWatch.VARIABLE, String.valueOf(ProcessHandle.current().pid()));
        environment.put("OMP_NUM_THREADS", String.valueOf(plan.threads()));
        environment.put("OPENBLAS_NUM_THREADS", String.valueOf(plan.threads()));
        Process process = builder.start();
        processes.add(process);
        if (rank == 0) {
            PrintWriter copy = new PrintWriter(Files.newBufferedWriter(log, StandardOpenOption.APPEND), true);
            pumps.add(pump(process.getInputStream(), copy, out));
            pumps.add(pump(process.getErrorStream(), copy, err));
        }
        var _ = process.onExit().thenRun(() -> ended.add(rank));
    }

    private static Thread pump(InputStream from, PrintWriter log, Consumer<String> to) {
        return Thread.ofPlatform().daemon().name("rank 0's output").start(() -> {
            try (BufferedReader lines = new BufferedReader(new InputStreamReader(from, StandardCharsets.UTF_8))) {
                for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                    log.println(line);
                    to.accept(line);
                }
            } catch (IOException e) {
                // The process has ended.
            }
        });
    }

    /** Waits until all ranks have ended. Returns the failure that caused the others, or null if there is none. */
    @Nullable
    Failure await() {
        try {
            List<Failure> failures = new ArrayList<>();
            long graceEnd = Long.MAX_VALUE;
            for (int left = processes.size(); left > 0; left--) {
                Integer rank = ended.poll(graceEnd - System.nanoTime(), TimeUnit.NANOSECONDS);
                if (rank == null) {
                    break;
                }
                int code = processes.get(rank).exitValue();
                if (code != 0) {
                    // After a stop request the other ranks may still have a checkpoint to write.
                    Duration wait = isStopRequest(code) ? Launcher.PATIENCE : GRACE;
                    graceEnd = Math.min(graceEnd, System.nanoTime() + wait.toNanos());
                    failures.add(new Failure(rank, code, log(rank), List.of()));
                }
            }
            end();
            for (Thread pump : pumps) {
                pump.join();
            }
            stopped = failures.size() == processes.size()
                    && failures.stream().allMatch(failure -> isStopRequest(failure.code()));
            return failures.isEmpty() || stopped ? null : cause(failures);
        } catch (InterruptedException e) {
            end();
            Thread.currentThread().interrupt();
            throw new ParallelException("launch was interrupted; its processes were ended", e);
        }
    }

    private static boolean isStopRequest(int code) {
        return code == STOPPED || code == INTERRUPTED;
    }

    /** Whether all ranks stopped cleanly after a stop request to one of them. */
    boolean stopped() {
        return stopped;
    }

    /** Prefers a rank that was killed by a signal: the other ranks failed because of it, but may have exited earlier. */
    private static Failure cause(List<Failure> failures) {
        Failure first = failures.stream().filter(Failure::bySignal).findFirst().orElse(failures.getFirst());
        return first.rank() == 0 ? first : new Failure(first.rank(), first.code(), first.log(), tail(first.log()));
    }

    private static List<String> tail(Path log) {
        try {
            List<String> lines = Files.readAllLines(log);
            return lines.subList(Math.max(0, lines.size() - LAST_LINES), lines.size());
        } catch (IOException e) {
            return List.of("(cannot read its log: " + e.getMessage() + ")");
        }
    }

    /** Asks all ranks to stop, and kills the ranks that are still running after {@code patience}. */
    void stop(Duration patience) {
        processes.forEach(Process::destroy);
        long end = System.nanoTime() + patience.toNanos();
        try {
            for (Process process : processes) {
                boolean _ = process.waitFor(end - System.nanoTime(), TimeUnit.NANOSECONDS);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        end();
    }

    /** Kills the remaining ranks and waits for their end. */
    void end() {
        for (Process process : processes) {
            process.destroyForcibly().onExit().join();
        }
        try {
            Files.deleteIfExists(meeting);
            Files.deleteIfExists(meeting.resolveSibling(""));
        } catch (IOException e) {
            // The system cleans its temporary folder.
        }
    }

    private Path log(int rank) {
        return plan.logs().resolve("rank-" + rank + ".log");
    }
}
