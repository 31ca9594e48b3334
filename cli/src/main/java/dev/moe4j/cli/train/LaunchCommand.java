package dev.moe4j.cli.train;

import dev.moe4j.console.output.CommandLineFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code moe4j launch}: runs a command as several processes. */
@Command(
        name = "launch",
        description = {
            "Run a command as several processes on this machine.",
            "",
            "Each process (rank) writes DIR/rank-N.log. Rank 0's output is also shown. If a rank fails, the "
                    + "other ranks are stopped and the cause is shown. For several machines, start the command itself "
                    + "on each machine, under Slurm, Kubernetes or with torchrun's variables: see docs/parallel.md."
        },
        customSynopsis = {
            "moe4j launch --processes N [--threads T] [--restarts K] [--timeout SECONDS] [--log-dir DIR]",
            "                    -- COMMAND [ARGUMENT]..."
        })
public final class LaunchCommand implements Callable<Integer> {
    /** This command has no {@code Output} mixin: rank 0's output passes through unchanged. */
    @Spec
    private CommandSpec spec;

    @Option(names = "--processes", required = true, paramLabel = "N", description = "Number of processes (ranks).")
    private int processes;

    @Option(
            names = "--threads",
            paramLabel = "T",
            description = "Threads per process (default: OMP_NUM_THREADS, or the cores divided by the number of "
                    + "processes).")
    private @Nullable Integer threads;

    @Option(
            names = "--restarts",
            paramLabel = "K",
            description = "Maximum number of restarts of all ranks after a failure (default: 0). Restarts of train add "
                    + "--resume.")
    private int restarts;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "How long a rank waits for another rank before it gives up, in seconds (default: 300).")
    private @Nullable Long timeout;

    @Option(
            names = "--log-dir",
            paramLabel = "DIR",
            description = "The folder for the logs (default: a new temporary folder).")
    private @Nullable Path logs;

    @Parameters(arity = "1..*", paramLabel = "COMMAND", description = "A command of moe4j and its arguments, after --.")
    private List<String> command = new ArrayList<>();

    @Override
    public Integer call() {
        if (processes < 1 || restarts < 0 || (threads != null && threads < 1) || (timeout != null && timeout < 1)) {
            throw wrongUsage("--processes, --threads and --timeout must be at least 1, and --restarts at least 0");
        }
        if (command.getFirst().equals("launch")) {
            throw wrongUsage("launch cannot launch itself");
        }
        // Parse the command here, to report wrong usage once and before any rank starts.
        String[] arguments = command.toArray(String[]::new);
        ((CommandLineFactory) spec.root().userObject())
                .forArguments(arguments)
                .setErr(spec.commandLine().getErr())
                .parseArgs(arguments);
        return new LaunchRun(
                        spec.commandLine().getOut(),
                        spec.commandLine().getErr(),
                        command,
                        processes,
                        threads,
                        restarts,
                        timeout,
                        logs)
                .run();
    }

    private ParameterException wrongUsage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }
}
