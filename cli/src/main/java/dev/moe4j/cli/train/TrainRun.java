package dev.moe4j.cli.train;

import dev.moe4j.config.ConfigWriter;
import dev.moe4j.console.option.NamedData;
import dev.moe4j.console.option.RunIdentity;
import dev.moe4j.console.option.RunOptions;
import dev.moe4j.console.output.CliException;
import dev.moe4j.console.output.Output;
import dev.moe4j.console.process.Interruption;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.Device;
import dev.moe4j.train.TrainingRun;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.config.RunConfig;
import dev.moe4j.train.config.TrainException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Runs {@link TrainCommand}. Separate from the command, whose class loads with every {@code --help}. */
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

    /** The result that {@code train --json} prints. */
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
        if (!resume && TrainingRun.holdsRun(out)) {
            // Each rank detects this as wrong usage, so that launch does not restart the ranks with --resume.
            throw output.wrongUsage(TrainingRun.begunAlready(out) + ": see --resume and --out");
        }
        RunConfig config = RunOptions.read(output, model, overrides);
        TrainingRun.settleTiles(config, out, resume);
        try (TrainingData sources = NamedData.open(data);
                Interruption interruption = new Interruption()) {
            RankEnvironment environment = RankEnvironment.of(System.getenv());
            return DistributedRun.run(
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
            RunConfig config,
            ParallelContext parallel,
            TrainingData sources,
            Device target,
            Interruption interruption) {
        // All ranks are connected: a signal to one of them now stops all.
        interruption.install();
        TrainingRun.Outcome outcome = train(config, parallel, sources, target, interruption);
        // The exit code of SIGTERM on all ranks, so that a scheduler sees that the run is not finished.
        int code = outcome.stopped() ? 128 + 15 : 0;
        if (!parallel.leads()) {
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
            RunConfig config,
            ParallelContext parallel,
            TrainingData sources,
            Device target,
            Interruption interruption) {
        TrainingRun run = new TrainingRun(config, sources, out, steps, target).on(parallel);
        if (resume) {
            run.resume(Set.copyOf(allowedChanges));
        }
        try (TrainView view = TrainView.start(output.err(), steps)) {
            return run.listen(view).stopWhen(interruption::requested).run();
        } catch (TrainException e) {
            throw e.changedKey()
                    .<RuntimeException>map(key -> new CliException(e.getMessage() + " with --allow-change " + key, e))
                    .orElse(e);
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
