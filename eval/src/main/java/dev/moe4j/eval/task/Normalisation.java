package dev.moe4j.eval.task;

import dev.moe4j.eval.scoring.Likelihood;
import dev.moe4j.eval.scoring.Request;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** How log-likelihoods of candidates of different lengths are made comparable. */
enum Normalisation {
    /** No normalisation: log P of the scored part. */
    SUM("sum of token log-probabilities"),
    /** log P over the number of scored tokens. */
    MEAN("mean token log-probability"),
    /** log P over the bytes of the scored part's source text in UTF-8. */
    BYTES("log-probability per byte"),
    /** log P after the prompt − log P after the answer prompt: pointwise mutual information (Brown et al. 2020). */
    PMI("log-probability minus that after the answer prompt");

    private final String description;

    Normalisation(String description) {
        this.description = description;
    }

    /** The description in results. */
    String description() {
        return description;
    }

    /**
     * The weighted terms that the score is the sum of.
     *
     * @param alone the answer after the answer prompt; null without one
     */
    List<TrainingExample.Term> terms(Request request, @Nullable Request alone) {
        double weight = switch (this) {
            case SUM, PMI -> 1;
            case MEAN -> 1.0 / (request.length() - request.from());
            case BYTES -> 1.0 / Math.max(1, request.bytes());
        };
        TrainingExample.Term term = new TrainingExample.Term(request.tokens(), request.from(), weight);
        return alone == null
                ? List.of(term)
                : List.of(term, new TrainingExample.Term(alone.tokens(), alone.from(), -1));
    }

    /**
     * Computes the score.
     *
     * @param alone the likelihood after the answer prompt; used by {@link #PMI} only
     */
    double score(Likelihood likelihood, Likelihood alone) {
        return switch (this) {
            case SUM -> likelihood.logProbability();
            case MEAN -> likelihood.logProbability() / likelihood.tokens();
            case BYTES -> likelihood.logProbability() / Math.max(1, likelihood.bytes());
            case PMI -> likelihood.logProbability() - alone.logProbability();
        };
    }
}
