package dev.moe4j.finetune;

import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * How a checkpoint is fine-tuned. Fixed are Adam with β 0.9 and 0.98, ε 10⁻⁶ and no weight decay, gradients clipped to a
 * norm of 1, and the rate's linear way up and down to 0, as in the study.
 *
 * @param head what answers
 * @param learningRates the grid that is searched
 * @param seeds of the order of examples, of dropout and of a new head; each rate is tried with each
 * @param epochs at most
 * @param patience epochs without a better figure on the validation questions before a run ends
 * @param batch examples of one update
 * @param warmUp share of the updates in which the rate rises
 * @param dropout on embeddings, attention and feed-forward networks
 * @param expertDropout on activations inside experts; null for the checkpoint's own
 * @param freezeRouter whether routers stay as they are
 * @param freezeExperts whether experts stay as they are
 * @param balance whether the checkpoint's balance losses go on
 * @param batchTokens that go through the model at a time, a matter of memory only
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

    /** What answers. */
    public enum Head {
        /**
         * The language model's own: candidates are compared as in zero-shot evaluation, and the loss is the cross-entropy
         * of the right one among them.
         */
        CHOICE,
        /** The language model's own: the loss is the mean −ln p of the right answer's scored tokens. */
        ANSWER,
        /** A new linear one on the last hidden state, over the classes, or over the candidates' texts. */
        LINEAR
    }

    /** As the study has it, where it says so. */
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
            throw new FineTuneException("warm-up: " + warmUp + " is no share of the updates; give 0.03 to 0.06");
        }
        double experts = expertDropout == null ? 0 : expertDropout;
        if (!(dropout >= 0 && dropout < 1 && experts >= 0 && experts < 1)) {
            throw new FineTuneException("dropout must be at least 0 and below 1");
        }
    }

    /** Everything that one run depends on beside its rate and its seed, as a text. */
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
