package dev.moe4j.cli.eval;

import dev.moe4j.console.option.ModelOptions;
import dev.moe4j.console.option.OptionNames;
import dev.moe4j.console.output.Output;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code moe4j finetune}: a checkpoint fine-tuned on a task, beside its zero-shot score. */
@Command(
        name = "finetune",
        description = {
            "Fine-tune a checkpoint on a task, and score it before and after.",
            "",
            "Tries each learning rate with each seed, stops each run early by its validation questions, and reports the "
                    + "rate that does best there, in the mean over seeds. The same command goes on after an interruption. "
                    + "See docs/finetuning.md."
        })
public final class FinetuneCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    ModelOptions model;

    @Option(names = "--data", required = true, paramLabel = "DIR", description = "The folder with the task's files.")
    Path data;

    @Option(
            names = "--task",
            converter = OptionNames.TaskName.class,
            required = true,
            paramLabel = "NAME|FILE",
            description = "A task of `eval tasks --list`, or a YAML file.")
    String task;

    @Option(
            names = "--out",
            required = true,
            paramLabel = "DIR",
            description = "The folder for finished runs, result.json and the best model.")
    Path out;

    @Option(
            names = "--head",
            paramLabel = "NAME",
            description =
                    "What answers: choice (the candidates' likelihoods, trained by cross-entropy among them), answer "
                            + "(the likelihood of the right answer) or linear (a new classification head). Default: choice, and "
                            + "answer where there is nothing to choose from.")
    @Nullable
    String head;

    @Option(
            names = "--learning-rate",
            arity = "1..*",
            paramLabel = "RATE",
            description = "The grid (default: 3e-5 1e-4 3e-4).")
    List<Double> learningRates = new ArrayList<>();

    @Option(
            names = "--seed",
            arity = "1..*",
            paramLabel = "N",
            description = "Seeds of order, dropout and head (default: 1 2 3).")
    List<Long> seeds = new ArrayList<>();

    @Option(names = "--epochs", paramLabel = "N", description = "The most passes over the examples (default: 10).")
    int epochs = 10;

    @Option(
            names = "--patience",
            paramLabel = "N",
            description = "Epochs without a better validation figure before a run ends (default: 3).")
    int patience = 3;

    @Option(names = "--batch", paramLabel = "N", description = "Examples of one update (default: 32).")
    int batch = 32;

    @Option(
            names = "--warm-up",
            paramLabel = "SHARE",
            description = "Share of the updates in which the rate rises (default: 0.06).")
    double warmUp = 0.06;

    @Option(names = "--dropout", paramLabel = "P", description = "Dropout of the residual stream (default: 0.1).")
    double dropout = 0.1;

    @Option(
            names = "--expert-dropout",
            paramLabel = "P",
            description = "Dropout of activations inside experts (default: the checkpoint's).")
    @Nullable
    Double expertDropout;

    @Option(names = "--freeze-router", description = "Leave routers as they are.")
    boolean freezeRouter;

    @Option(names = "--freeze-experts", description = "Leave experts as they are.")
    boolean freezeExperts;

    @Option(names = "--no-balance-loss", description = "Leave the checkpoint's balance losses out.")
    boolean noBalanceLoss;

    @Option(
            names = "--train-split",
            paramLabel = "NAME",
            description = "The split to learn from (default: the task's examples, mostly `train`).")
    @Nullable
    String trainSplit;

    @Option(
            names = "--validation-split",
            paramLabel = "NAME",
            description =
                    "The split to choose by (default: `validation` where that is there and not scored, else a tenth "
                            + "of the training split, held out).")
    @Nullable
    String validationSplit;

    @Option(names = "--split", paramLabel = "NAME", description = "The split to score (default: the task's own).")
    @Nullable
    String split;

    @Option(names = "--train-limit", paramLabel = "N", description = "The most examples, spread evenly (default: all).")
    int trainLimit = Integer.MAX_VALUE;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "The most questions to validate on and to score, spread evenly (default: all).")
    int limit = Integer.MAX_VALUE;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            description = "Tokens at a time (default: 4096): a matter of speed and memory.")
    int batchTokens = 4096;

    @Option(names = "--no-begin-token", description = "Begin texts with nothing instead of the token that ends a text.")
    boolean noBeginToken;

    @Option(names = "--newlines-end-texts", description = "Make each line's end the token that ends a text.")
    boolean newlinesEndTexts;

    FinetuneCommand() {}

    @Override
    public Integer call() {
        if (epochs < 1 || patience < 1 || batch < 1 || trainLimit < 1 || limit < 1 || batchTokens < 1) {
            throw output.wrongUsage(
                    "--epochs, --patience, --batch, --train-limit, --limit and --batch-tokens must be at least 1");
        }
        FinetuneRun.run(this, output);
        return 0;
    }
}
