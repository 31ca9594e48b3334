package dev.moe4j.console.option;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Mixin for commands that read text with several threads and write one file. */
public final class NewFileOptions {
    @Option(names = "--out", required = true, paramLabel = "FILE", description = "The file to write.")
    public Path out;

    @Option(names = "--overwrite", description = "Replace the file if it exists.")
    public boolean overwrite;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Number of worker threads (default: all processors). The result does not depend on it.")
    public int threads = Runtime.getRuntime().availableProcessors();

    NewFileOptions() {}
}
