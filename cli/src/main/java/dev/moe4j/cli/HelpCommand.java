package dev.moe4j.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/** {@code moe4j help}: prints the help text that {@code --help} prints, for moe4j or a command. */
@Command(name = "help", description = "Print the help text of a command, like COMMAND --help.")
final class HelpCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Parameters(
            arity = "0..*",
            paramLabel = "COMMAND",
            description = "The command, for example train or eval tasks (default: moe4j itself).")
    private List<String> words = new ArrayList<>();

    HelpCommand() {}

    @Override
    public Integer call() {
        CommandLine line = spec.root().commandLine();
        for (String word : words) {
            CommandLine below = line.getSubcommands().get(word);
            if (below == null) {
                throw new UnmatchedArgumentException(line, List.of(word));
            }
            line = below;
        }
        line.usage(spec.commandLine().getOut());
        return 0;
    }
}
