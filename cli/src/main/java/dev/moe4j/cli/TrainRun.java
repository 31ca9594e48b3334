package dev.moe4j.cli;

import dev.moe4j.data.Shards;
import dev.moe4j.tensor.Device;
import dev.moe4j.train.RunConfig;
import dev.moe4j.train.TrainingRun;
import java.nio.file.Path;
import java.util.List;

/** What {@link TrainCommand} does, apart from it so that {@code --help} loads nothing of it. */
record TrainRun(Output output, String model, Path data, long steps, Path out, List<String> overrides, String device) {

    /** What {@code train --json} prints. */
    private record Result(
            String checkpoint,
            String preset,
            String precision,
            long steps,
            long tokens,
            double loss,
            double ppl,
            double seconds,
            double tokensPerSecond) {}

    int run() {
        RunConfig config = RunConfig.read(model, overrides);
        try (Shards shards = Shards.open(data);
                Interruption interruption = Interruption.asRequest()) {
            TrainingRun run = new TrainingRun(config, overrides, shards, out, steps, Device.parse(device));
            TrainingRun.Outcome outcome;
            try (ProgressLine progress = ProgressLine.start(output.err(), "train", steps)) {
                outcome = run.onStep(step -> progress.update(
                                step.result().update(),
                                "loss %.3f, %,.0f tokens/s, %.0f %% of peak"
                                        .formatted(
                                                step.result().loss(),
                                                step.tokensPerSecond(),
                                                100 * step.utilization())))
                        .stopWhen(interruption::requested)
                        .run();
            }
            Result result = new Result(
                    outcome.checkpoint().toString(),
                    outcome.config().preset(),
                    outcome.config().precision(),
                    outcome.steps(),
                    outcome.tokens(),
                    outcome.loss(),
                    Math.exp(outcome.loss()),
                    outcome.seconds(),
                    outcome.tokens() / outcome.seconds());
            output.print(
                    result,
                    to -> to.printf(
                            "%,d steps, %,d tokens in %.1f s (%,.0f tokens/s, %s): loss %.4f, perplexity %.2f%n%s%n",
                            result.steps(),
                            result.tokens(),
                            result.seconds(),
                            result.tokensPerSecond(),
                            result.precision(),
                            result.loss(),
                            result.ppl(),
                            result.checkpoint()));
            return 0;
        }
    }
}
