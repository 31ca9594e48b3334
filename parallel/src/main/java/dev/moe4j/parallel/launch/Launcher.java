package dev.moe4j.parallel.launch;

import dev.moe4j.parallel.layout.ParallelException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs one command as several ranks on this machine, connected over the loopback interface. Each rank has a log file, and
 * rank 0's output is also shown. If a rank fails, the others get a few seconds to report the cause before they are killed.
 * If restarts are left, all ranks then start again. No rank outlives the launcher, see {@link LauncherWatch}.
 */
public final class Launcher implements AutoCloseable {

    /**
     * The command to run and how to run it.
     *
     * @param command the program and its arguments, the same for all ranks
     * @param onRestart arguments to add on a restart, such as {@code --resume}
     * @param processes the number of ranks
     * @param threads the number of CPU threads for each rank
     * @param restarts the maximum number of restarts after failures
     * @param timeout how long a rank waits for the others
     * @param logs the folder for the {@code rank-N.log} files; created if missing
     */
    public record Plan(
            List<String> command,
            List<String> onRestart,
            int processes,
            int threads,
            int restarts,
            Duration timeout,
            Path logs) {

        public Plan {
            command = List.copyOf(command);
            onRestart = List.copyOf(onRestart);
            if (processes < 1 || threads < 1 || restarts < 0 || timeout.toSeconds() < 1) {
                throw new ParallelException(
                        "launch: needs at least 1 process, 1 thread, 0 restarts and a timeout of 1 s, not " + processes
                                + ", " + threads + ", " + restarts + " and " + timeout.toSeconds());
            }
        }
    }

    /** How long ranks may take to write a checkpoint after a stop request or a failure. */
    public static final Duration PATIENCE = Duration.ofMinutes(10);

    private final Plan plan;
    private final Consumer<String> out;
    private final Consumer<String> err;
    private final Thread hook = new Thread(this::stop, "launcher");
    private volatile @Nullable LaunchAttempt current;
    private volatile boolean stopping;

    /**
     * Creates a launcher. Until {@link #close}, a shutdown of this process also stops the ranks.
     *
     * @param out receives rank 0's stdout, line by line
     * @param err receives rank 0's stderr and the launcher's messages
     */
    public Launcher(Plan plan, Consumer<String> out, Consumer<String> err) {
        this.plan = plan;
        this.out = out;
        this.err = err;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /**
     * Runs the command until all ranks have ended.
     *
     * @return the exit code: 0 after success, 143 (SIGTERM) if all ranks stopped after a stop request, or 2 if a rank
     *     rejected the command line
     * @throws ParallelException if a rank failed and no restart is left; the message names the rank and its log
     */
    public int run() {
        try {
            Files.createDirectories(plan.logs());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        for (int number = 1; ; number++) {
            LaunchAttempt attempt = LaunchAttempt.start(plan, number, out, err);
            current = attempt;
            LaunchAttempt.Failure failure = attempt.await();
            if (failure == null) {
                return attempt.stopped() ? LaunchAttempt.STOPPED : 0;
            }
            for (String line : failure.lastLines()) {
                err.accept("rank " + failure.rank() + " | " + line);
            }
            String message = failure.describe() + (plan.restarts() == 0 ? "" : ", in attempt " + number);
            if (failure.isWrongUsage()) {
                err.accept("moe4j: " + message + "; see " + failure.log());
                return failure.code();
            }
            if (number > plan.restarts() || stopping) {
                throw new ParallelException(message + "; see " + failure.log());
            }
            err.accept("moe4j: " + message + ": starting all ranks again");
        }
    }

    private void stop() {
        stopping = true;
        LaunchAttempt running = current;
        if (running != null) {
            running.stop(PATIENCE);
        }
    }

    @Override
    public void close() {
        if (!stopping) {
            Runtime.getRuntime().removeShutdownHook(hook);
            LaunchAttempt running = current;
            if (running != null) {
                running.end();
            }
        }
    }

    /** Returns the command line of an attempt, numbered from 1. */
    static List<String> command(Plan plan, int attempt) {
        List<String> command = new ArrayList<>(plan.command());
        if (attempt > 1) {
            plan.onRestart().stream()
                    .filter(argument -> !command.contains(argument))
                    .forEach(command::add);
        }
        return command;
    }

    /** Creates a temporary folder for logs. */
    public static Path temporaryLogs() {
        try {
            return Files.createTempDirectory("moe4j-launch-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
