package dev.moe4j.cli.train;

import dev.moe4j.base.machine.Processors;
import dev.moe4j.console.process.JavaCommand;
import dev.moe4j.parallel.launch.Launcher;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Runs {@link LaunchCommand}. Separate from the command, whose class loads with every {@code --help}. */
record LaunchRun(
        PrintWriter out,
        PrintWriter err,
        List<String> command,
        int processes,
        @Nullable Integer threads,
        int restarts,
        @Nullable Long timeout,
        @Nullable Path logs) {

    int run() {
        Path folder = logs == null ? Launcher.temporaryLogs() : logs;
        int each = threads != null ? threads : Processors.threads(processes);
        err.println("moe4j: " + processes + " processes with " + each + " threads each; logs in " + folder);
        Launcher.Plan plan = new Launcher.Plan(
                javaCommand(),
                command.getFirst().equals("train") ? List.of("--resume") : List.of(),
                processes,
                each,
                restarts,
                timeout == null ? RankEnvironment.DEFAULT_TIMEOUT : Duration.ofSeconds(timeout),
                folder);
        try (Launcher launcher = new Launcher(plan, out::println, err::println)) {
            return launcher.run();
        }
    }

    private List<String> javaCommand() {
        List<String> words = JavaCommand.words();
        words.addAll(command);
        return words;
    }
}
