package dev.moe4j.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code version}: what {@code --version} prints. */
@Command(name = "version", description = "Print the version, as --version does.")
final class VersionCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    VersionCommand() {}

    @Override
    public Integer call() {
        spec.root().commandLine().printVersionHelp(spec.commandLine().getOut());
        return 0;
    }
}
