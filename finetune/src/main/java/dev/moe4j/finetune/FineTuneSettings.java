package dev.moe4j.finetune;

import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Hyperparameters of fine-tuning. Some are fixed as in the published study: Adam with β₁ 0.9, β₂ 0.98, ε 10⁻⁶ and no
 * weight decay, gradient clipping to a norm of 1, and linear warm-up followed by linear decay to 0.
 *
 * @param head the part of the model that answers
 * @param learningRates the peak learning rates to try
 * @param seeds seeds of the order of examples and of dropout; each learning rate is tried with each seed
 * @param epochs most passes over the training questions
 * @param patience epochs without a better validation figure before a run ends
 * @param batch examples of one update
 * @param warmUp share of the updates in which the learning rate rises, at least 0 and below 1
 * @param dropout dropout on embeddings, attention and feed-forward networks
 * @param expertDropout dropout on activations inside experts; null keeps the checkpoint's value
 * @param freezeRouter whether routers are frozen
 * @param freezeExperts whether experts are frozen
 * @param balance whether the checkpoint's load balancing losses stay on
 * @param batchTokens most tokens of a micro-batch; affects memory only
 */
public record FineTuneSettings(
        Head head,
        List<Double> learningRates,
        List<Long> seeds,
        int epochs,
        int patience,
        int batch,
        double warmUp,
        double dropout,
        @Nullable Double expertDropout,
        boolean freezeRouter,
        boolean freezeExperts,
        boolean balance,
        int batchTokens) {

    /** The part of the model that answers a question. */
    public enum Head {
        /**
         * The language model's output layer. Candidates are compared as in zero-shot evaluation. The loss is the
         * cross-entropy of the correct candidate.
         */
        CHOICE,
        /** The language model's output layer. The loss is the mean −ln p of the correct answer's scored tokens. */
        ANSWER,
        /** A new {@link LinearHead} on the last hidden state. */
        LINEAR
    }

    /** The published study's values where it states them. */
    public static final FineTuneSettings DEFAULT = new FineTuneSettings(
            Head.CHOICE,
            List.of(3e-5, 1e-4, 3e-4),
            List.of(1L, 2L, 3L),
            10,
            3,
            32,
            0.06,
            0.1,
            null,
            false,
            false,
            true,
            4096);

    public FineTuneSettings {
        learningRates = List.copyOf(learningRates);
        seeds = List.copyOf(seeds);
        if (learningRates.stream().anyMatch(rate -> !(rate > 0) || rate.isInfinite())) {
            throw new FineTuneException("learning rates " + learningRates + ": each must be above 0");
        }
        if (Stream.of(learningRates, seeds)
                .anyMatch(list -> list.stream().distinct().count() < list.size())) {
            throw new FineTuneException(
                    "learning rates " + learningRates + " and seeds " + seeds + ": each may be named once");
        }
        if (epochs < 1 || patience < 1 || batch < 1 || batchTokens < 1) {
            throw new FineTuneException("epochs, patience, batch and batch tokens must be at least 1");
        }
        if (!(warmUp >= 0 && warmUp < 1)) {
            throw new FineTuneException(
                    "warm-up: " + warmUp + " must be at least 0 and below 1; 0.03 to 0.06 are usual");
        }
        double experts = expertDropout == null ? 0 : expertDropout;
        if (!(dropout >= 0 && dropout < 1 && experts >= 0 && experts < 1)) {
            throw new FineTuneException("dropout must be at least 0 and below 1");
        }
    }

    /** All settings that a run depends on except its learning rate and seed. Part of the key of cached results. */
    String identity() {
        return new FineTuneSettings(
                        head,
                        List.of(),
                        List.of(),
                        epochs,
                        patience,
                        batch,
                        warmUp,
                        dropout,
                        expertDropout,
                        freezeRouter,
                        freezeExperts,
                        balance,
                        batchTokens)
                .toString();
    }
}
