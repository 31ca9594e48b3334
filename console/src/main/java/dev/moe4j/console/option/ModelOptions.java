package dev.moe4j.console.option;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Mixin for a command that uses a checkpoint's model. */
public final class ModelOptions {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description =
                    "A checkpoint's folder (step-…); or a run's folder for its newest checkpoint; or RUN/best for "
                            + "the one with the lowest validation loss.")
    public Path checkpoint;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "cpu, cuda or cuda:N (default: cpu).")
    public String device = "cpu";

    @Option(
            names = "--precision",
            converter = OptionNames.PrecisionName.class,
            paramLabel = "NAME",
            description = "fp32, bf16 or fp64 (default: fp32).")
    public String precision = "fp32";

    @Option(
            names = "--tokenizer",
            paramLabel = "NAME",
            description = "For a folder that does not name its tokenizer: gpt2, gpt2:N or bytes.")
    @Nullable
    String tokenizer;
}
