package dev.moe4j.cli.data;

import picocli.CommandLine.Command;

/** {@code moe4j tokenizer}: trains tokenizers. */
@Command(
        name = "tokenizer",
        description = "Train a tokenizer.",
        subcommands = {TokenizerTrainCommand.class})
public final class TokenizerCommand {
    TokenizerCommand() {}
}
