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
 * Runs one command as several processes on this machine, which meet on the loopback. Each has a log, and rank 0's output
 * is shown. If one fails the others get a moment to say what they know of it and are ended; then all begin again, if
 * restarts are left. No process outlives the launcher: see {@link LauncherWatch}.
 */
public final class Launcher implements AutoCloseable {

    /**
     * What to run.
     *
     * @param command a program and its arguments, the same for all ranks
     * @param onRestart arguments that a restart adds, such as {@code --resume}
     * @param processes how many
     * @param threads of each, for what computes on the CPU
     * @param restarts after a failure, at most
     * @param timeout how long a rank waits for others
     * @param logs the folder of {@code rank-N.log}; it is made if need be
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
                        "launch: there must be at least 1 process of 1 thread, 0 restarts and a timeout "
                                + "of 1 s, not " + processes + ", " + threads + ", " + restarts + " and "
                                + timeout.toSeconds());
            }
        }
    }

    /** For a checkpoint to be written when all ranks are asked to stop, or after one has failed. */
    public static final Duration PATIENCE = Duration.ofMinutes(10);

    private final Plan plan;
    private final Consumer<String> out;
    private final Consumer<String> err;
    private final Thread hook = new Thread(this::stop, "launcher");
    private volatile @Nullable LaunchAttempt current;
    private volatile boolean stopping;

    /**
     * From now on until {@link #close} an interruption of this process asks the ranks to stop and waits for them.
     *
     * @param out takes the lines of rank 0's stdout
     * @param err takes the lines of rank 0's stderr, and what the launcher itself says
     */
    public Launcher(Plan plan, Consumer<String> out, Consumer<String> err) {
        this.plan = plan;
        this.out = out;
        this.err = err;
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /**
     * Runs until all ranks are done.
     *
     * @return 0; the exit code of SIGTERM where a rank was asked to stop and all have stopped; or that of wrong usage
     *     where a rank refused the command, which its last lines explain
     * @throws ParallelException if a rank failed and no restart is left; it names the first one and its log
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

    /** The command of an attempt, from 1. */
    static List<String> command(Plan plan, int attempt) {
        List<String> command = new ArrayList<>(plan.command());
        if (attempt > 1) {
            plan.onRestart().stream()
                    .filter(argument -> !command.contains(argument))
                    .forEach(command::add);
        }
        return command;
    }

    /** Returns a new folder for logs among the temporary files. */
    public static Path temporaryLogs() {
        try {
            return Files.createTempDirectory("moe4j-launch-");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
