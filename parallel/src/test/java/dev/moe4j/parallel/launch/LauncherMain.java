package dev.moe4j.parallel.launch;

import dev.moe4j.parallel.layout.ParallelException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/** Runs a launcher in a separate process, so that a test can kill it. Arguments: the log folder and the command. */
final class LauncherMain {

    private LauncherMain() {}

    public static void main(String[] args) {
        List<String> command = List.of(args).subList(1, args.length);
        Launcher.Plan plan = new Launcher.Plan(command, List.of(), 2, 1, 0, Duration.ofSeconds(30), Path.of(args[0]));
        try (Launcher launcher =
                new Launcher(plan, line -> System.out.println(line), line -> System.err.println(line))) {
            launcher.run();
        } catch (ParallelException e) {
            System.out.println("failed: " + e.getMessage());
            System.exit(1);
        }
    }
}
