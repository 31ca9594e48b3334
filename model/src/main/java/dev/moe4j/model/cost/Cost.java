package dev.moe4j.model.cost;

import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.FeedForward;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Presets;

/**
 * The cost of a model: its parameters, and the floating-point operations (FLOPs) of its matrix products for one token.
 * A multiplication and an addition count as two operations. Only the chosen experts' products count, without empty
 * rows. Attention counts in full, as if every token attended to the complete sequence.
 *
 * @param parametersTotal all parameters
 * @param parametersActive the parameters that one token uses: all except the experts it does not choose
 * @param forward FLOPs of the forward pass for one token, by part
 * @param architecture the architecture that was counted
 */
public record Cost(long parametersTotal, long parametersActive, Forward forward, Architecture architecture) {

    /** A training step in forward passes: one forward, and two for the backward pass. */
    private static final int PASSES = 3;

    /** The size that the study uses for GPT-2's vocabulary. */
    private static final double PUBLISHED_VOCABULARY = 50_000;

    private static final double ZETTA = 1e21;

    /**
     * FLOPs of the forward pass for one token, over all layers.
     *
     * @param qkv projections to queries, keys and values
     * @param attention queries times keys and weights times values, for a sequence of full length
     * @param out output projections of attention
     * @param ffn dense feed-forward networks
     * @param experts chosen experts
     * @param shared shared experts
     * @param router logits over the experts
     * @param head logits over the vocabulary
     */
    public record Forward(
            double qkv,
            double attention,
            double out,
            double ffn,
            double experts,
            double shared,
            double router,
            double head) {

        public double total() {
            return qkv + attention + out + ffn + experts + shared + router + head;
        }
    }

    /**
     * The cost for sequences as long as the model's context.
     *
     * @throws ModelException if the number of parameters exceeds a long
     */
    public static Cost of(Architecture architecture) {
        return of(architecture, architecture.model().context());
    }

    /**
     * The cost for sequences of the given length in tokens.
     *
     * @throws ModelException if the number of parameters exceeds a long
     */
    public static Cost of(Architecture architecture, int length) {
        ModelConfig model = architecture.model();
        double layers = model.layers();
        double moeLayers = model.moeLayers();
        Forward forward = new Forward(
                layers * Attention.projectionFlops(model),
                layers * Attention.scoreFlops(model, length),
                layers * Attention.outputFlops(model),
                (layers - moeLayers) * FeedForward.flops(model, model.ffn()),
                moeLayers * architecture.routing().topK() * FeedForward.flops(model, model.expertFfn()),
                moeLayers * FeedForward.sharedFlops(model),
                moeLayers * 2 * model.width() * model.experts(),
                2.0 * model.width() * model.vocabulary());
        try {
            ParameterCounts counts = ParameterCounts.of(architecture);
            return new Cost(counts.total(), counts.active(), forward, architecture);
        } catch (ArithmeticException e) {
            throw new ModelException("model: more than " + Long.MAX_VALUE + " parameters; choose smaller sizes", e);
        }
    }

    /** FLOPs of the forward pass for one token. */
    public double forwardFlopsPerToken() {
        return forward.total();
    }

    /** FLOPs of forward and backward pass for one token, without activation recomputation. */
    public double trainingFlopsPerToken() {
        return PASSES * forward.total();
    }

    /** FLOPs of training on the given number of tokens, in units of 10²¹, without activation recomputation. */
    public double zettaFlops(double tokens) {
        return trainingFlopsPerToken() * tokens / ZETTA;
    }

    /**
     * As {@link #zettaFlops(double)}. With activation recomputation, the layers' forward pass counts twice; the head is
     * never recomputed.
     */
    public double zettaFlops(double tokens, boolean recomputation) {
        double again = recomputation ? forward.total() - forward.head() : 0;
        return (trainingFlopsPerToken() + again) * tokens / ZETTA;
    }

    /**
     * The training cost by the study's formula, in units of 10²¹ FLOPs, with activation recomputation: four forward
     * passes of the layers, but three of the head.
     *
     * @see #publishedZettaFlops(double, boolean)
     */
    public double publishedZettaFlops(double tokens) {
        return publishedZettaFlops(tokens, true);
    }

    /**
     * The training cost by the study's formula (Narayanan et al. 2021; Artetxe et al. 2021), in units of 10²¹ FLOPs.
     * The formula for T tokens and a dense model of width h, l layers, ffn 4h, sequence length s and vocabulary V is
     * 96·T·l·h²·(1 + s/(6h) + V/(16·l·h)). Top-2 experts of the same width in every second layer add 32·T·l·h². This
     * method generalises it to any k, placement and width of experts. The formula omits the router, and uses 50,000 for
     * GPT-2's vocabulary.
     *
     * @param tokens the number of training tokens
     * @param recomputation whether the layers' forward pass runs a second time
     */
    public double publishedZettaFlops(double tokens, boolean recomputation) {
        int passes = recomputation ? PASSES + 1 : PASSES;
        ModelConfig model = architecture.model();
        boolean gpt2 = model.vocabulary() == Presets.GPT2_VOCABULARY;
        double head = gpt2 ? 2.0 * model.width() * PUBLISHED_VOCABULARY : forward.head();
        double layers = forward.total() - forward.head() - forward.router();
        return (passes * layers + PASSES * head) * tokens / ZETTA;
    }
}
