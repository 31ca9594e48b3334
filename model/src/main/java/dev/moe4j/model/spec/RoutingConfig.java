package dev.moe4j.model.spec;

/**
 * How tokens choose experts. Configuration keys are these names in snake case under {@code routing}.
 *
 * @param strategy which rule chooses
 * @param topK experts of each token
 * @param group sequences that share one capacity and one balance loss; 0: all of a micro-batch, as published
 * @param capacityFactor with {@link Strategy#CAPACITY}: multiplies ⌈tokens / experts⌉ · top_k
 * @param evaluationCapacity with {@link Strategy#CAPACITY}: each expert's places in evaluation as a fraction of the
 *     group's tokens; not above 0: as in training
 * @param normalizeBeforeDropping whether the weights of a token's experts are scaled to a sum of 1 before places run
 *     out (a dropped choice is then lost) or after (a lone survivor weighs 1)
 * @param secondExpert which second choices are made with {@link Strategy#CAPACITY}
 * @param batchPrioritized whether places go to tokens in order of falling confidence rather than of position
 * @param maskPadding whether padding takes no place and no weight
 * @param paddedSequences with {@link Strategy#CAPACITY} and group 0: routers see a batch with fewer sequences as one of
 *     so many, filled up with masked zeros, which capacity and balance loss count; 0: as many as there are
 */
public record RoutingConfig(
        Strategy strategy,
        int topK,
        int group,
        double capacityFactor,
        double evaluationCapacity,
        boolean normalizeBeforeDropping,
        SecondExpert secondExpert,
        boolean batchPrioritized,
        boolean maskPadding,
        int paddedSequences) {

    /** The rules that choose experts. */
    public enum Strategy {
        /** Each token reaches its top k, however many choose the same expert. */
        DROPLESS,
        /** Each expert has a fixed number of places, as in GShard and the published system. */
        CAPACITY
    }

    /** Which second choices are made. */
    public enum SecondExpert {
        /** The expert of the second highest logit. */
        ALL,
        /** Drawn with Gumbel noise on the logits. */
        SAMPLING,
        /** The second highest, with a probability of twice its weight. */
        RANDOM
    }

    /** Dropless top-2. */
    public static final RoutingConfig DEFAULT =
            new RoutingConfig(Strategy.DROPLESS, 2, 1, 1.0, -1, false, SecondExpert.ALL, false, true);

    public RoutingConfig {
        if (topK < 1) {
            throw new ModelException("routing.top_k: " + topK + " is too small; use at least 1");
        }
        if (group < 0) {
            throw new ModelException("routing.group: " + group + " is negative; use 0 for the whole micro-batch");
        }
        if (!(capacityFactor > 0)) {
            throw new ModelException("routing.capacity_factor: " + capacityFactor + " is not above 0");
        }
        if (secondExpert != SecondExpert.ALL && topK != 2) {
            throw new ModelException("routing.second_expert: only top_k 2 has a policy for its second expert");
        }
        if (strategy == Strategy.DROPLESS && (secondExpert != SecondExpert.ALL || batchPrioritized)) {
            throw new ModelException("routing: second_expert and batch_prioritized act with strategy capacity only");
        }
        if (paddedSequences < 0) {
            throw new ModelException("routing.padded_sequences: " + paddedSequences + " is negative; use 0 for none");
        }
        if (paddedSequences > 0 && (strategy != Strategy.CAPACITY || group != 0)) {
            throw new ModelException("routing.padded_sequences acts with strategy capacity and group 0 only");
        }
    }

    /** Routing that fills no batch up. */
    public RoutingConfig(
            Strategy strategy,
            int topK,
            int group,
            double capacityFactor,
            double evaluationCapacity,
            boolean normalizeBeforeDropping,
            SecondExpert secondExpert,
            boolean batchPrioritized,
            boolean maskPadding) {
        this(
                strategy,
                topK,
                group,
                capacityFactor,
                evaluationCapacity,
                normalizeBeforeDropping,
                secondExpert,
                batchPrioritized,
                maskPadding,
                0);
    }

    public RoutingConfig withPaddedSequences(int sequences) {
        return new RoutingConfig(
                strategy,
                topK,
                group,
                capacityFactor,
                evaluationCapacity,
                normalizeBeforeDropping,
                secondExpert,
                batchPrioritized,
                maskPadding,
                sequences);
    }

    /** The same choices with a group for each sequence, whatever sequences share a batch. */
    public RoutingConfig ungrouped() {
        return new RoutingConfig(
                strategy,
                topK,
                1,
                capacityFactor,
                evaluationCapacity,
                normalizeBeforeDropping,
                secondExpert,
                batchPrioritized,
                maskPadding);
    }

    /** The same choices, of which every one is computed and none is left to chance. */
    public RoutingConfig dropless() {
        return new RoutingConfig(
                Strategy.DROPLESS,
                topK,
                group,
                capacityFactor,
                evaluationCapacity,
                normalizeBeforeDropping,
                SecondExpert.ALL,
                false,
                maskPadding);
    }
}
