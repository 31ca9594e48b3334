package dev.moe4j.bench.command;

import dev.moe4j.bench.CheckpointStall;
import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.Output;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j bench checkpoint}: the cost of checkpoints. */
@Command(
        name = "checkpoint",
        description = {
            "Train on the JDK's sources with a checkpoint every few steps, and measure the extra time of steps during "
                    + "which a checkpoint is copied or written.",
            "The extra time must be below 2 %% of the total; otherwise the exit code is 1."
        })
final class BenchCheckpointCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Option(
            names = "--model",
            converter = OptionNames.Preset.class,
            paramLabel = "NAME",
            description = "A preset (default: cpu-moe32).")
    private String model = "cpu-moe32";

    @Option(names = "--every", paramLabel = "N", description = "Steps between two checkpoints (default: 100).")
    private int every = 100;

    @Option(names = "--checkpoints", paramLabel = "N", description = "Checkpoints to write (default: 3).")
    private int checkpoints = 3;

    BenchCheckpointCommand() {}

    /** What {@code --json} prints; see {@link dev.moe4j.bench.CheckpointStall.Result}. */
    record Report(
            String model,
            int threads,
            int every,
            int checkpoints,
            long bytes,
            int touchedSteps,
            double freeStepSeconds,
            double stallSeconds,
            double share,
            double bound,
            boolean holds) {}

    @Override
    public Integer call() {
        if (every < 2 || checkpoints < 1) {
            throw output.wrongUsage("--every must be at least 2 and --checkpoints at least 1");
        }
        long steps = CheckpointStall.steps(every, checkpoints);
        if (steps <= CheckpointStall.WARM_UP) {
            throw output.wrongUsage(
                    "--every %d and --checkpoints %d make %d steps, of which the first %d do not count: "
                                    .formatted(every, checkpoints, steps, CheckpointStall.WARM_UP)
                            + "give a larger --every or more --checkpoints");
        }
        Report report = BenchRun.checkpoint(model, every, checkpoints, output.err());
        output.print(
                report,
                out -> out.printf(
                        "%s: %d checkpoints of %,.0f MB, one every %d steps of %.3f s: %d steps took %.2f s longer, %.2f %% of"
                                + " the time (bound %.0f %%)%n",
                        report.model(),
                        report.checkpoints(),
                        report.bytes() / 1e6,
                        report.every(),
                        report.freeStepSeconds(),
                        report.touchedSteps(),
                        report.stallSeconds(),
                        100 * report.share(),
                        100 * report.bound()));
        if (!report.holds()) {
            throw new CliException("checkpoints cost more than the bound; is the disk slow, or the machine busy?");
        }
        return 0;
    }
}
