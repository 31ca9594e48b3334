package dev.moe4j.model.cost;

import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Presets;

/**
 * What a model costs: its parameters, and the floating-point operations (a multiplication and an addition are two) of
 * its products for one token. Counts the products that the chosen experts need, not those of empty rows, and attention
 * in full, as if every token looked at the whole sequence.
 *
 * @param parametersTotal all parameters
 * @param parametersActive those that one token uses: all but the experts that it does not choose
 * @param forward operations of the forward pass for one token, by part
 * @param architecture what was counted
 */
public record Cost(long parametersTotal, long parametersActive, Forward forward, Architecture architecture) {

    /** Operations of a training step in forward passes: one forward, two for the backward pass. */
    private static final int PASSES = 3;

    /** The vocabulary with which the study counts GPT-2's. */
    private static final double PUBLISHED_VOCABULARY = 50_000;

    private static final double ZETTA = 1e21;

    /**
     * Operations of the forward pass for one token, over all layers.
     *
     * @param qkv projections to queries, keys and values
     * @param attention queries times keys and weights times values, for a sequence of full length
     * @param out projections of attention's output
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

    /** The cost with sequences as long as the model's context. */
    public static Cost of(Architecture architecture) {
        return of(architecture, architecture.model().context());
    }

    /**
     * The cost with sequences of that many tokens.
     *
     * @throws ModelException if the number of parameters exceeds a long
     */
    public static Cost of(Architecture architecture, int length) {
        ModelConfig model = architecture.model();
        int topK = architecture.routing().topK();
        long moeLayers = model.moeLayers();
        long denseLayers = model.layers() - moeLayers;
        double width = model.width();
        double chosen = moeLayers * feedForward(width, model.expertFfn());
        Forward forward = new Forward(
                model.layers() * 6 * width * width,
                model.layers() * 4 * width * length,
                model.layers() * 2 * width * width,
                denseLayers * feedForward(width, model.ffn()),
                chosen * topK,
                chosen * model.sharedExperts(),
                moeLayers * 2 * width * model.experts(),
                2 * width * model.vocabulary());
        try {
            long total = parameters(model);
            long idle = Math.multiplyExact(moeLayers * Math.max(0, model.experts() - topK), expertParameters(model));
            return new Cost(total, total - idle, forward, architecture);
        } catch (ArithmeticException e) {
            throw new ModelException("model: more than " + Long.MAX_VALUE + " parameters; choose smaller sizes", e);
        }
    }

    /** Operations of two products for one token. */
    private static double feedForward(double width, double ffn) {
        return 4 * width * ffn;
    }

    private static long expertParameters(ModelConfig model) {
        return feedForwardParameters(model.width(), model.expertFfn());
    }

    private static long feedForwardParameters(long width, long ffn) {
        return Math.addExact(Math.multiplyExact(2 * width, ffn), ffn + width);
    }

    private static long parameters(ModelConfig model) {
        long width = model.width();
        long norm = 2 * width;
        long attention = Math.addExact(Math.multiplyExact(4 * width, width), 4 * width);
        long mixture = Math.addExact(
                Math.multiplyExact((long) model.experts(), Math.addExact(width, expertParameters(model))),
                model.sharedExperts() == 0
                        ? 0
                        : feedForwardParameters(
                                width, Math.multiplyExact((long) model.sharedExperts(), (long) model.expertFfn())));
        long layers = Math.multiplyExact((long) model.layers(), Math.addExact(attention, 2 * norm));
        long moe = Math.multiplyExact((long) model.moeLayers(), mixture);
        long dense = Math.multiplyExact(
                (long) (model.layers() - model.moeLayers()), feedForwardParameters(width, model.ffn()));
        long embedding = Math.multiplyExact((long) model.vocabulary(), width);
        long head = model.tied() ? 0 : embedding;
        long positions = model.positions() == Positions.LEARNED
                ? Math.multiplyExact((long) SinusoidalPositions.rows(model.context()), width)
                : 0;
        long tables = Math.addExact(Math.addExact(embedding, head), positions);
        return Math.addExact(Math.addExact(layers, moe), Math.addExact(dense, Math.addExact(tables, norm)));
    }

    /** Operations of the forward pass for one token. */
    public double forwardFlopsPerToken() {
        return forward.total();
    }

    /** Operations of forward and backward pass for one token, nothing computed twice. */
    public double trainingFlopsPerToken() {
        return PASSES * forward.total();
    }

    /** Operations of training on that many tokens in units of 10²¹, counted exactly and without recomputation. */
    public double zettaFlops(double tokens) {
        return trainingFlopsPerToken() * tokens / ZETTA;
    }

    /**
     * As {@link #zettaFlops(double)}, but with the layers' forward pass run a second time for the backward pass where
     * their activations are recomputed; the head's never is.
     */
    public double zettaFlops(double tokens, boolean recomputation) {
        double again = recomputation ? forward.total() - forward.head() : 0;
        return (trainingFlopsPerToken() + again) * tokens / ZETTA;
    }

    /**
     * The training cost as the study counts it, in units of 10²¹ operations: with activation recomputation, so four
     * forward passes of the layers, but three of the head.
     *
     * @see #publishedZettaFlops(double, boolean)
     */
    public double publishedZettaFlops(double tokens) {
        return publishedZettaFlops(tokens, true);
    }

    /**
     * The training cost by the study's formula (Narayanan et al. 2021; Artetxe et al. 2021), in units of 10²¹
     * operations. For dense models of width h, l layers, ffn 4h, sequences of s and a vocabulary of V it is
     * 96·T·l·h²·(1 + s/(6h) + V/(16·l·h)); top-2 experts of that width on every second layer add 32·T·l·h². Here for
     * any k, placement and width of experts. It leaves out the router, and takes GPT-2's vocabulary for 50,000.
     *
     * @param tokens that training sees
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
