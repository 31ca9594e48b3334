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

/** {@code launch}: a command as several processes. */
@Command(
        name = "launch",
        description = {
            "Run a command as several processes on this machine.",
            "",
            "Each process (rank) writes DIR/rank-N.log; rank 0's output is shown as well. When a rank fails the others are "
                    + "ended and the cause is shown. For several machines start the command itself on each, under Slurm, "
                    + "Kubernetes or with torchrun's variables: docs/parallel.md."
        },
        customSynopsis = {
            "moe4j launch --processes N [--threads T] [--restarts K] [--timeout SECONDS] [--log-dir DIR]",
            "                    -- COMMAND [ARGUMENT]..."
        })
public final class LaunchCommand implements Callable<Integer> {
    /** The result is rank 0's: what it prints, as JSON or not, passes through. */
    @Spec
    private CommandSpec spec;

    @Option(names = "--processes", required = true, paramLabel = "N", description = "How many processes.")
    private int processes;

    @Option(
            names = "--threads",
            paramLabel = "T",
            description =
                    "Threads of each process (default: OMP_NUM_THREADS, or the cores divided among the processes).")
    private @Nullable Integer threads;

    @Option(
            names = "--restarts",
            paramLabel = "K",
            description =
                    "After a failure start all ranks again, at most K times (default: 0); train gets --resume then.")
    private int restarts;

    @Option(
            names = "--timeout",
            paramLabel = "SECONDS",
            description = "How long a rank waits for another before it gives up (default: 300).")
    private @Nullable Long timeout;

    @Option(
            names = "--log-dir",
            paramLabel = "DIR",
            description = "Where the logs go (default: a new folder among the temporary files).")
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
        // What is wrong with the command is said once, before any rank starts.
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
