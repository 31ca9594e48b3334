package dev.moe4j.console.option;

import picocli.CommandLine.Option;

/** Mixin for benchmarks: the compute precision. */
public final class PrecisionOption {
    @Option(
            names = "--precision",
            converter = OptionNames.PrecisionOrAuto.class,
            paramLabel = "NAME",
            description = "Compute precision: auto (the fastest on this device), bf16, fp16 or fp32 (default: auto).")
    public String name = "auto";
}
