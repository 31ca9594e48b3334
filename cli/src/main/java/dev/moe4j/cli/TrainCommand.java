package dev.moe4j.cli;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code train}: trains a model on prepared text. */
@Command(
        name = "train",
        description = {
            "Train a model on prepared text, in one process.",
            "",
            "DIR gets config.yaml (the resolved configuration), metrics.jsonl (a line every log.every steps) and, at the "
                    + "end, a checkpoint step-NNNNNNNN/, which eval, generate and finetune read. Ctrl-C ends the run at "
                    + "the next step, with its checkpoint."
        })
final class TrainCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "NAME|FILE",
            description = "A preset, such as cpu-tiny-moe or cpu-dense, or a YAML file.")
    private String model;

    @Option(names = "--data", required = true, paramLabel = "SHARDS", description = "A folder that prepare wrote.")
    private Path data;

    @Option(names = "--steps", required = true, paramLabel = "N", description = "Updates to make.")
    private long steps;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "The run's folder; it must not hold a run.")
    private Path out;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Set a configuration key, such as model.experts=32 or precision=fp32; may be repeated.")
    private List<String> overrides = new ArrayList<>();

    @Option(names = "--device", defaultValue = "cpu", paramLabel = "DEVICE", description = "cpu, cuda or cuda:N.")
    private String device;

    @Override
    public Integer call() {
        return new TrainRun(output, model, data, steps, out, overrides, device).run();
    }
}
