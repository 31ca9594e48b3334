package dev.moe4j.cli.train;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.option.RunIdentity;
import dev.moe4j.console.option.RunOptions;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.process.Interruption;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.Processes;
import dev.moe4j.parallel.rendezvous.Environment;
import dev.moe4j.tensor.Device;
import dev.moe4j.train.TrainingRun;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.metrics.ResidentMemory;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What {@link TrainCommand} does, apart from it so that {@code --help} loads nothing of it. */
record TrainRun(
        Output output,
        String model,
        List<NamedData> data,
        long steps,
        Path out,
        List<String> overrides,
        String device,
        boolean resume,
        List<String> allowedChanges) {

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
            double tokensPerSecond,
            @Nullable BestEvaluation best) {}

    int run() {
        if (!resume && TrainingRun.begun(out)) {
            // Wrong usage, found by each process for itself: launch does not start them again, with --resume.
            throw output.wrongUsage(TrainingRun.begunAlready(out));
        }
        RunConfig config = RunOptions.read(output, model, overrides);
        TrainingRun.settleTiles(config, out, resume);
        try (TrainingData sources = NamedData.open(data);
                Interruption interruption = new Interruption()) {
            Environment environment = Environment.of(System.getenv());
            return Processes.run(
                    environment,
                    RunIdentity.of(
                            environment, ConfigWriter.toYaml(config) + overrides + steps + resume + sources.sha256()),
                    processes -> run(
                            config,
                            config.parallel().connect(processes),
                            sources,
                            environment.device(device),
                            interruption));
        }
    }

    private int run(
            RunConfig config, ParallelContext fabric, TrainingData sources, Device where, Interruption interruption) {
        // All processes have met: one that is asked to stop stops them all.
        interruption.heed();
        TrainingRun.Outcome outcome = train(config, fabric, sources, where, interruption);
        // Of SIGTERM, whichever process got it: a scheduler is to see that the run is not over.
        int code = outcome.stopped() ? 128 + 15 : 0;
        if (!fabric.leads()) {
            return code;
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
                outcome.tokens() / outcome.seconds(),
                outcome.best());
        output.print(result, to -> print(result, to));
        return code;
    }

    private TrainingRun.Outcome train(
            RunConfig config, ParallelContext fabric, TrainingData sources, Device where, Interruption interruption) {
        TrainingRun run = new TrainingRun(config, sources, out, steps, where).on(fabric);
        if (resume) {
            run.resume(Set.copyOf(allowedChanges));
        }
        try (TrainView view = TrainView.start(output.err(), steps)) {
            return run.onNotice(view::note)
                    .onStep(step -> view.update(step, ResidentMemory.now().orElse(0)))
                    .stopWhen(interruption::requested)
                    .run();
        }
    }

    private static void print(Result result, PrintWriter to) {
        to.printf(
                "%,d steps, %,d tokens in %.1f s (%,.0f tokens/s, %s): loss %.4f, perplexity %.2f%n%s%n",
                result.steps(),
                result.tokens(),
                result.seconds(),
                result.tokensPerSecond(),
                result.precision(),
                result.loss(),
                result.ppl(),
                result.checkpoint());
        BestEvaluation best = result.best();
        if (best != null) {
            to.printf(
                    "best on %s: loss %.4f, perplexity %.2f, at step %,d%n",
                    best.name(), best.loss(), Math.exp(best.loss()), best.step());
        }
    }
}
