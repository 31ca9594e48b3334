package dev.moe4j.cli.data;

import picocli.CommandLine.Command;

/** {@code moe4j data}: what text is good for, before and after it is prepared. */
@Command(
        name = "data",
        description = "Look at text and prepared data, and choose what is trained on.",
        subcommands = {DataSelectCommand.class, DataStatsCommand.class, DataOverlapCommand.class})
public final class DataCommand {
    DataCommand() {}
}
