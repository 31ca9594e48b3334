package dev.moe4j.train;

import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.perplexity.Perplexity;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.text.DataException;
import dev.moe4j.train.checkpoint.BestEvaluation;
import dev.moe4j.train.config.EvaluationConfig;
import dev.moe4j.train.config.TrainException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/** Scores a run's validation sets and keeps the best evaluation for early stopping and for the best checkpoint. */
final class Validation implements AutoCloseable {

    /** The name of the validation set that is the held-out text of the run's data. */
    static final String OWN = "valid";

    private final EvaluationConfig config;
    private final Map<String, TokenStream> sets = new LinkedHashMap<>();
    private final List<Shards> opened = new ArrayList<>();
    private @Nullable BestEvaluation best;

    private Validation(EvaluationConfig config) {
        this.config = config;
    }

    /**
     * Opens the validation sets.
     *
     * @param own the run's data, whose held-out text is scored if the configuration names no set
     * @throws TrainException if a set was made with another tokenizer, or evaluation is enabled without any set
     */
    static Validation open(EvaluationConfig config, TrainingData own) {
        Validation validation = new Validation(config);
        try {
            if (config.every() > 0) {
                validation.openSets(own);
            }
            return validation;
        } catch (Throwable e) {
            validation.close();
            throw e;
        }
    }

    private void openSets(TrainingData own) {
        config.sets().forEach((name, folder) -> {
            Shards shards;
            try {
                shards = Shards.open(folder);
            } catch (DataException e) {
                throw new TrainException("evaluation.sets." + name + ": " + e.getMessage(), e);
            }
            opened.add(shards);
            if (!shards.tokenizer().hash().equals(own.tokenizer().hash())) {
                throw new TrainException("evaluation.sets." + name + ": " + folder + " was made with the tokenizer "
                        + shards.tokenizer().spec()
                        + " and the run's data with "
                        + own.tokenizer().spec()
                        + "; prepare the set again with the tokenizer of the run's data");
            }
            sets.put(name, shards.evaluation());
        });
        if (sets.isEmpty()) {
            sets.putAll(own.valid(OWN));
        }
        if (sets.isEmpty()) {
            throw new TrainException("evaluation.every: the data has no held-out text;"
                    + " set evaluation.sets.NAME=FOLDER, or prepare the data with a hold-out");
        }
    }

    boolean due(long step, long steps) {
        return config.every() > 0 && (step % config.every() == 0 || step == steps);
    }

    /**
     * Scores all sets and updates the best evaluation. All processes must call this together.
     *
     * @return each set's loss in nats per token, by name
     */
    SequencedMap<String, Double> score(LanguageModel model, long step) {
        Perplexity perplexity = Perplexity.of(model);
        Perplexity limited = config.windows() == 0 ? perplexity : perplexity.maxWindows(config.windows());
        SequencedMap<String, Double> losses = new LinkedHashMap<>();
        sets.forEach((name, text) -> losses.put(name, limited.score(text).loss()));
        Map.Entry<String, Double> first = losses.firstEntry();
        BestEvaluation known = best;
        if (known == null || !known.name().equals(first.getKey()) || first.getValue() < known.loss()) {
            best = new BestEvaluation(first.getKey(), first.getValue(), step, 0);
        } else {
            best = new BestEvaluation(known.name(), known.loss(), known.step(), known.since() + 1);
        }
        return losses;
    }

    @Nullable
    BestEvaluation best() {
        return best;
    }

    void restore(@Nullable BestEvaluation earlier) {
        best = earlier;
    }

    /** Whether the run ends early: the last {@code evaluation.patience} evaluations did not improve the loss. */
    boolean exhausted() {
        return config.patience() > 0 && best != null && best.since() >= config.patience();
    }

    @Override
    public void close() {
        opened.forEach(Shards::close);
    }
}
