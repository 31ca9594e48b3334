package dev.moe4j.cli.study;

import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code moe4j quickstart}: trains a dense model and a mixture of experts in parallel, and writes a report. */
@Command(
        name = "quickstart",
        description = {
            "Train a dense model and a mixture of experts with equal FLOPs per token on a CPU, and report "
                    + "the difference.",
            "",
            "Both models train in parallel. Writes report.html, which opens in any browser, and a "
                    + "checkpoint of each model."
        })
public final class QuickstartCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Parameters(
            arity = "0..1",
            paramLabel = "FOLDER",
            description = "The text to train on (default: the JDK's sources, or this project's if there are none).")
    private @Nullable Path folder;

    @Option(
            names = "--minutes",
            defaultValue = "3.5",
            paramLabel = "N",
            description =
                    "Training time, in minutes (default: ${DEFAULT-VALUE}). With fewer than 3 million tokens, noise "
                            + "decides the result.")
    private double minutes;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "The folder to write (default: runs/quickstart-DATE-TIME).")
    private @Nullable Path out;

    @Option(
            names = "--seed",
            defaultValue = "1",
            paramLabel = "N",
            description = "Random seed (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Override
    public Integer call() {
        return new QuickstartRun(output, folder, minutes, out, seed).run();
    }
}
