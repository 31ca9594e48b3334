package dev.moe4j.console.option;

import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Mixin for commands that use a checkpoint's model. */
public final class ModelOptions {
    @Option(
            names = "--checkpoint",
            required = true,
            paramLabel = "DIR",
            description =
                    "A checkpoint folder (step-…), a run's folder (uses its newest checkpoint), or RUN/best (uses "
                            + "the checkpoint with the lowest validation loss).")
    public Path checkpoint;

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            paramLabel = "DEVICE",
            description = "Device to run on: cpu, cuda or cuda:N (default: cpu).")
    public String device = "cpu";

    @Option(
            names = "--precision",
            converter = OptionNames.PrecisionName.class,
            paramLabel = "NAME",
            description = "Compute precision: fp32, bf16 or fp64 (default: fp32).")
    public String precision = "fp32";

    @Option(
            names = "--tokenizer",
            paramLabel = "NAME",
            description = "The tokenizer, for a checkpoint that does not name one: gpt2, gpt2:N or bytes.")
    @Nullable
    String tokenizer;
}
