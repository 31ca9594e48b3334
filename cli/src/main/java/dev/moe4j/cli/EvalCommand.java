package dev.moe4j.cli;

import picocli.CommandLine.Command;

/** {@code moe4j eval}: measures of a checkpoint. */
@Command(
        name = "eval",
        description = "Measure how good a checkpoint is.",
        subcommands = {PerplexityCommand.class, TasksCommand.class})
final class EvalCommand {
    EvalCommand() {}
}
