package dev.moe4j.cli;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** The options of commands that read text on many threads and write one file. */
final class NewFileOptions {
    @Option(names = "--out", required = true, paramLabel = "FILE", description = "The file to write.")
    Path out;

    @Option(names = "--overwrite", description = "Replace the file if it is there.")
    boolean overwrite;

    @Option(
            names = "--threads",
            paramLabel = "N",
            description = "Threads that read and judge (default: all processors). The result does not depend on it.")
    int threads = Runtime.getRuntime().availableProcessors();

    NewFileOptions() {}
}
