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

/** {@code moe4j finetune}: fine-tunes a checkpoint on a task and compares it with its zero-shot score. */
@Command(
        name = "finetune",
        description = {
            "Fine-tune a checkpoint on a task, and score it before and after.",
            "",
            "Trains one model per learning rate and seed, with early stopping on the validation questions. "
                    + "Reports the learning rate with the best mean validation score over the seeds. To resume an "
                    + "interrupted search, run the same command again. See docs/finetuning.md."
        })
public final class FinetuneCommand implements Callable<Integer> {
    @Mixin
    private Output output;

    @Mixin
    ModelOptions model;

    @Option(
            names = "--data",
            required = true,
            paramLabel = "DIR",
            description = "The folder that holds the task's files.")
    Path data;

    @Option(
            names = "--task",
            converter = OptionNames.TaskName.class,
            required = true,
            paramLabel = "NAME|FILE",
            description = "A task that `eval tasks --list` prints, or a YAML file.")
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
            description = "Output head: choice (likelihoods of the candidates, trained by cross-entropy among them), "
                    + "answer (likelihood of the right answer) or linear (a new classification head). Default: "
                    + "choice, or answer for tasks without candidates.")
    @Nullable
    String head;

    @Option(
            names = "--learning-rate",
            arity = "1..*",
            paramLabel = "RATE",
            description = "The learning rates to try (default: 3e-5 1e-4 3e-4).")
    List<Double> learningRates = new ArrayList<>();

    @Option(
            names = "--seed",
            arity = "1..*",
            paramLabel = "N",
            description = "Seeds of data order, dropout and head initialization (default: 1 2 3).")
    List<Long> seeds = new ArrayList<>();

    @Option(names = "--epochs", paramLabel = "N", description = "Maximum number of epochs per run (default: 10).")
    int epochs = 10;

    @Option(
            names = "--patience",
            paramLabel = "N",
            description = "Stop a run after this many epochs without a better validation score (default: 3).")
    int patience = 3;

    @Option(names = "--batch", paramLabel = "N", description = "Examples per update (default: 32).")
    int batch = 32;

    @Option(
            names = "--warm-up",
            paramLabel = "SHARE",
            description = "Fraction of the updates in which the learning rate rises, from 0 to 1 (default: 0.06).")
    double warmUp = 0.06;

    @Option(
            names = "--dropout",
            paramLabel = "P",
            description = "Dropout probability of the residual stream (default: 0.1).")
    double dropout = 0.1;

    @Option(
            names = "--expert-dropout",
            paramLabel = "P",
            description = "Dropout probability of activations inside experts (default: the checkpoint's).")
    @Nullable
    Double expertDropout;

    @Option(names = "--freeze-router", description = "Do not train the routers.")
    boolean freezeRouter;

    @Option(names = "--freeze-experts", description = "Do not train the experts.")
    boolean freezeExperts;

    @Option(names = "--no-balance-loss", description = "Train without the checkpoint's load balancing losses.")
    boolean noBalanceLoss;

    @Option(
            names = "--train-split",
            paramLabel = "NAME",
            description = "The split to train on (default: the split of the task's examples, usually `train`).")
    @Nullable
    String trainSplit;

    @Option(
            names = "--validation-split",
            paramLabel = "NAME",
            description =
                    "The split for early stopping and for the choice of the learning rate (default: `validation` if "
                            + "it exists and is not the scored split, otherwise a held-out tenth of the "
                            + "training split).")
    @Nullable
    String validationSplit;

    @Option(names = "--split", paramLabel = "NAME", description = "The split to score (default: the task's own).")
    @Nullable
    String split;

    @Option(
            names = "--train-limit",
            paramLabel = "N",
            description = "Maximum number of training examples, spread evenly (default: all).")
    int trainLimit = Integer.MAX_VALUE;

    @Option(
            names = "--limit",
            paramLabel = "N",
            description = "Maximum number of questions for validation and for scoring, spread evenly (default: all).")
    int limit = Integer.MAX_VALUE;

    @Option(
            names = "--batch-tokens",
            paramLabel = "N",
            description = "Tokens per forward pass (default: 4096). Affects speed and memory only.")
    int batchTokens = 4096;

    @Option(names = "--no-begin-token", description = "Do not put the end-of-text token at the beginning of each text.")
    boolean noBeginToken;

    @Option(names = "--newlines-end-texts", description = "Replace each newline with the end-of-text token.")
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
