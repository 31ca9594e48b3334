package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code quickstart}: a dense model and a mixture of experts side by side, and a report. */
@Command(
        name = "quickstart",
        description = {
            "Train a dense model and a mixture of experts of the same FLOPs per token side by side on a CPU, and report "
                    + "by how much the mixture pays.",
            "",
            "Writes report.html, one file to open in a browser, and a checkpoint of each model."
        })
public final class QuickstartCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(
            arity = "0..1",
            paramLabel = "FOLDER",
            description = "Text to train on; without it the JDK's own sources, else this project.")
    private @Nullable Path folder;

    @Option(
            names = "--minutes",
            defaultValue = "3.5",
            paramLabel = "N",
            description = "Minutes of training (default: ${DEFAULT-VALUE}). Under 3 million tokens noise decides.")
    private double minutes;

    @Option(names = "--out", paramLabel = "DIR", description = "Where to write (default: runs/quickstart-DATE-TIME).")
    private @Nullable Path out;

    @Option(names = "--seed", defaultValue = "1", paramLabel = "N", description = "Of everything random.")
    private long seed;

    @Override
    public Integer call() {
        return new QuickstartRun(output, folder, minutes, out, seed).run();
    }
}
