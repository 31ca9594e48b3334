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

/** Scores a run's validation sets, and knows which step was best. */
final class Validation implements AutoCloseable {

    /** The run's own held-out text among the sets, where its data is one folder. */
    static final String OWN = "valid";

    private final EvaluationConfig config;
    private final Map<String, TokenStream> sets = new LinkedHashMap<>();
    private final List<Shards> opened = new ArrayList<>();
    private @Nullable BestEvaluation best;

    private Validation(EvaluationConfig config) {
        this.config = config;
    }

    /**
     * Opens the sets.
     *
     * @param own the run's data, whose held-out text serves where no set is named
     * @throws TrainException if a set was made by another tokenizer, or there is none though evaluation is asked for
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
                        + " and the run's data with another, "
                        + own.tokenizer().spec()
                        + "; prepare it again with that of the run's data");
            }
            sets.put(name, shards.evaluation());
        });
        if (sets.isEmpty()) {
            sets.putAll(own.valid(OWN));
        }
        if (sets.isEmpty()) {
            throw new TrainException("evaluation.every: the data has no held-out text;"
                    + " name sets by evaluation.sets.NAME=FOLDER, or prepare it with a hold-out");
        }
    }

    boolean due(long step, long steps) {
        return config.every() > 0 && (step % config.every() == 0 || step == steps);
    }

    /** Scores all sets, in nats per token by their names, and remembers the best. All processes take part. */
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

    /** Whether the run ends because the loss has not become better for long enough. */
    boolean exhausted() {
        return config.patience() > 0 && best != null && best.since() >= config.patience();
    }

    @Override
    public void close() {
        opened.forEach(Shards::close);
    }
}
