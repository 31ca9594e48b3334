package dev.moe4j.cli.eval;

import picocli.CommandLine.Command;

/** {@code moe4j eval}: measures of a checkpoint. */
@Command(
        name = "eval",
        description = "Measure how good a checkpoint is.",
        subcommands = {PerplexityCommand.class, TasksCommand.class})
public final class EvalCommand {
    EvalCommand() {}
}
