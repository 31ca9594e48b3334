package dev.moe4j.console.option;

import picocli.CommandLine.Option;

/** Mixin for a benchmark that computes in a precision. */
public final class PrecisionOption {
    @Option(
            names = "--precision",
            converter = OptionNames.PrecisionOrAuto.class,
            paramLabel = "NAME",
            description = "auto (what this device multiplies fastest), bf16, fp16 or fp32 (default: auto).")
    public String name = "auto";
}
