package dev.moe4j.model.spec;

/**
 * How the router assigns tokens to experts. Configuration keys are these names in snake case under {@code routing}.
 *
 * @param strategy the routing strategy
 * @param topK experts per token
 * @param group sequences that share one capacity and one load balancing loss; 0 for the complete micro-batch, as
 *     published
 * @param capacityFactor with {@link Strategy#CAPACITY}: an expert's places are this factor times ⌈tokens / experts⌉ ·
 *     top_k
 * @param evaluationCapacity with {@link Strategy#CAPACITY}: each expert's places in evaluation, as a fraction of the
 *     group's tokens; 0 or less to use the training capacity
 * @param normalizeBeforeDropping whether a token's weights are scaled to a sum of 1 before tokens are dropped (the
 *     weight of a dropped choice is then lost) or after (a single remaining choice weighs 1)
 * @param secondExpert with {@link Strategy#CAPACITY}: the policy for second choices
 * @param batchPrioritized whether tokens take places in order of decreasing confidence instead of position
 * @param maskPadding whether padding gets no place and no weight
 * @param paddedSequences with {@link Strategy#CAPACITY} and group 0: a smaller batch is padded to this number of
 *     sequences with masked zeros, which capacity and load balancing loss count; 0 for no padding
 * @param gate how logits become scores and combine weights
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
        int paddedSequences,
        GateConfig gate) {

    /** The routing strategies. */
    public enum Strategy {
        /** Every token reaches its top k experts, however uneven the load. */
        DROPLESS,
        /**
         * Each expert has a fixed number of places and further tokens are dropped, as in GShard and the published
         * system.
         */
        CAPACITY
    }

    /** The policies for second choices. */
    public enum SecondExpert {
        /** The expert of the second highest logit. */
        ALL,
        /** Drawn with Gumbel noise on the logits. */
        SAMPLING,
        /** The second highest, kept with a probability of twice its weight. */
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
            throw new ModelException("routing.group: " + group + " is negative; use 0 for the complete micro-batch");
        }
        if (!(capacityFactor > 0)) {
            throw new ModelException(
                    "routing.capacity_factor: " + capacityFactor + " is too small; use a number above 0");
        }
        if (secondExpert != SecondExpert.ALL && topK != 2) {
            throw new ModelException("routing.second_expert: requires routing.top_k 2; use all, or set top_k to 2");
        }
        if (strategy == Strategy.DROPLESS && (secondExpert != SecondExpert.ALL || batchPrioritized)) {
            throw new ModelException("routing: second_expert and batch_prioritized require strategy capacity");
        }
        if (paddedSequences < 0) {
            throw new ModelException(
                    "routing.padded_sequences: " + paddedSequences + " is negative; use 0 for no padding");
        }
        if (gate.scores() == GateConfig.Scores.SIGMOID && strategy == Strategy.CAPACITY) {
            throw new ModelException("routing.gate.scores: sigmoid requires routing.strategy dropless");
        }
        if (gate.selectionBias() && strategy == Strategy.CAPACITY) {
            throw new ModelException("routing.gate.selection_bias requires routing.strategy dropless");
        }
        if (paddedSequences > 0 && (strategy != Strategy.CAPACITY || group != 0)) {
            throw new ModelException("routing.padded_sequences requires strategy capacity and group 0");
        }
    }

    /** Routing that does not pad batches. */
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
                0,
                GateConfig.PUBLISHED);
    }

    /** The same routing with another gate. */
    public RoutingConfig withGate(GateConfig other) {
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
                paddedSequences,
                other);
    }

    /** The same routing with another number of experts per token. */
    public RoutingConfig withTopK(int experts) {
        return new RoutingConfig(
                strategy,
                experts,
                group,
                capacityFactor,
                evaluationCapacity,
                normalizeBeforeDropping,
                secondExpert,
                batchPrioritized,
                maskPadding,
                paddedSequences,
                gate);
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
                sequences,
                gate);
    }

    /**
     * The same routing with one group per sequence, so that a result does not depend on the other sequences of a batch.
     */
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
                maskPadding,
                0,
                gate);
    }

    /** The same top-k routing, dropless and deterministic. */
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
                maskPadding,
                0,
                gate);
    }
}
