package dev.moe4j.cli.data;

import picocli.CommandLine.Command;

/** {@code moe4j tokenizer}: tokenizers of one's own. */
@Command(
        name = "tokenizer",
        description = "Make a tokenizer.",
        subcommands = {TokenizerTrainCommand.class})
public final class TokenizerCommand {
    TokenizerCommand() {}
}
