package dev.moe4j.cli.data;

import picocli.CommandLine.Command;

/** {@code moe4j data}: inspects text and prepared data, and selects documents. */
@Command(
        name = "data",
        description = "Inspect text and prepared data, and select the documents to train on.",
        subcommands = {DataSelectCommand.class, DataStatsCommand.class, DataOverlapCommand.class})
public final class DataCommand {
    DataCommand() {}
}
