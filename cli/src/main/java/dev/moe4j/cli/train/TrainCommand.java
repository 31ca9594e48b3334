package dev.moe4j.cli.train;

import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j train}: trains a model on prepared text. */
@Command(
        name = "train",
        description = {
            "Train a model on prepared text, in one process or in several (see `launch`).",
            "",
            "Writes to DIR: config.yaml (the resolved configuration), metrics.jsonl (one line every "
                    + "log.every steps) and checkpoints step-NNNNNNNN/ (one every checkpoint.every steps and one at "
                    + "the end), which `eval` and `generate` read. Ctrl-C and SIGTERM end the run after the current "
                    + "step, with a checkpoint.",
            "",
            "--resume continues from the newest checkpoint in DIR, bit for bit, or starts a new run if "
                    + "there is none. With --resume, the same command restarts a run after any interruption."
        })
public final class TrainCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--model",
            required = true,
            paramLabel = "NAME|FILE",
            description = "A preset, such as cpu-tiny-moe or cpu-dense, or a YAML file.")
    private String model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "[NAME=]SHARDS",
            description = "A folder written by `prepare`. May be repeated to train on several: by default each epoch "
                    + "contains every sequence of each once; or give sampling weights, as in --data web=a --data "
                    + "books=b --set data.weights.web=3 --set data.weights.books=1. NAME defaults to the last part of "
                    + "the path.")
    private List<String> data;

    @Option(names = "--steps", required = true, paramLabel = "N", description = "Total number of updates.")
    private long steps;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "The run's folder. Without --resume it must not hold a run.")
    private Path out;

    @Option(
            names = "--set",
            paramLabel = "KEY=VALUE",
            description = "Set a configuration key, such as model.experts=32 or precision=fp32. May be repeated.")
    private List<String> overrides = new ArrayList<>();

    @Option(
            names = "--device",
            converter = OptionNames.DeviceName.class,
            defaultValue = "cpu",
            paramLabel = "DEVICE",
            description = "Device to train on: cpu, cuda or cuda:N (default: cpu).")
    private String device;

    @Option(
            names = "--resume",
            description = "Continue from the newest checkpoint in the run's folder, if there is one.")
    private boolean resume;

    @Option(
            names = "--allow-change",
            paramLabel = "KEY",
            description =
                    "With --resume: a key that may differ from the checkpoint's, such as optimizer.learning_rate, "
                            + "steps, data or threads. May be repeated. Other keys that affect the results must "
                            + "be unchanged.")
    private List<String> allowedChanges = new ArrayList<>();

    @Override
    public Integer call() {
        if (steps < 1) {
            throw output.wrongUsage("--steps must be at least 1");
        }
        if (!resume && !allowedChanges.isEmpty()) {
            throw output.wrongUsage("--allow-change requires --resume");
        }
        return new TrainRun(
                        output,
                        model,
                        NamedData.parse(data, output),
                        steps,
                        out,
                        overrides,
                        device,
                        resume,
                        allowedChanges)
                .run();
    }
}
