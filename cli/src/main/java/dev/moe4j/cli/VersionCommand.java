package dev.moe4j.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code moe4j version}: prints the version, like {@code --version}. */
@Command(name = "version", description = "Print the version, like --version.")
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
