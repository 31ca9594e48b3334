package dev.moe4j.console.option;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options of commands that read text on many threads and write one file. */
public final class NewFileOptions {
    @Option(names = "--out", required = true, paramLabel = "FILE", description = "The file to write.")
    public Path out;

    @Option(names = "--overwrite", description = "Replace the file if it is there.")
    public boolean overwrite;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that read and judge (default: all processors). The result does not depend on it.")
    public int threads = Runtime.getRuntime().availableProcessors();

    NewFileOptions() {}
}
