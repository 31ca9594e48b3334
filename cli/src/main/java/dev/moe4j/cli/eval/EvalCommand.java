package dev.moe4j.cli.eval;

import picocli.CommandLine.Command;

/** {@code moe4j eval}: evaluates a checkpoint. */
@Command(
        name = "eval",
        description = "Evaluate a checkpoint: perplexity and tasks.",
        subcommands = {PerplexityCommand.class, TasksCommand.class})
public final class EvalCommand {
    EvalCommand() {}
}
