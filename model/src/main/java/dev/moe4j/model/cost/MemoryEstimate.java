package dev.moe4j.model.cost;

import dev.moe4j.model.block.AttentionBlocks;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.parameter.ParameterGroup;

/**
 * Bytes of tensors on one device when they are the most in training, by cause: while the head runs, or a layer's backward
 * pass. It follows what this code allocates: flat units with their padding, what each section saves for its backward
 * pass, what the head and the largest layer work with. Tokens are spread evenly over experts; the working space inside
 * libtorch's operators is not counted. A test holds it against peaks that are measured on a CPU.
 *
 * <p>Devices that share the experts exchange rows, as many as {@link DeviceRows} says: what a device sends lies apart from
 * what it receives, and both apart from the experts' own rows, which are sorted and rounded up. One such exchange is on its
 * way at a time, and those of the backward pass are as large as those of the forward pass. Gradients need no space of their
 * own to be summed over devices: they lie flat in their units and are summed in place, since they travel in the type they
 * accumulate in.
 *
 * @param weights masters
 * @param gradients in the accumulation type
 * @param optimizer two moments in the master's type
 * @param workingCopy of the masters, in the compute type; 0 where both types are one
 * @param tables sinusoidal positions
 * @param activations what is kept from the forward pass to the backward pass
 * @param working what comes and goes: the head's logits and gradients, or one layer's gradients and what its backward
 *     pass computes again
 * @param exchange rows that are sent to other devices' experts and received for the own; 0 where experts are not shared
 */
public record MemoryEstimate(
        long weights,
        long gradients,
        long optimizer,
        long workingCopy,
        long tables,
        long activations,
        long working,
        long exchange) {

    private static final int INDEX = 8;

    /**
     * What one device holds.
     *
     * @param sequences that go through the model at a time, each as long as the context
     * @param expertParallel devices that share the experts
     * @param cuda whether it is a GPU, where attention is libtorch's fused kernel and the device routes if it can
     */
    public record Load(int sequences, int expertParallel, boolean cuda, Recompute recompute) {}

    public long total() {
        return weights + gradients + optimizer + workingCopy + tables + activations + working + exchange;
    }

    /** The memory of a model in training under that load. */
    public static MemoryEstimate of(Architecture architecture, Precision precision, Load load) {
        ModelConfig model = architecture.model();
        long master = 0;
        long copied = 0;
        for (ModelParameters.UnitSpec unit :
                (Iterable<ModelParameters.UnitSpec>) ModelParameters.units(model)::iterator) {
            long elements = unit.specs().stream()
                    .mapToLong(spec ->
                            ParameterGroup.aligned(spec.elements() / (spec.stacked() ? load.expertParallel() : 1)))
                    .sum();
            master += elements;
            copied += unit.inMaster() || precision.compute() == precision.master() ? 0 : elements;
        }
        long compute = precision.compute().bytes();
        DeviceRows rows = DeviceRows.of(architecture, precision, load);
        // Rows that are sent and, evenly spread, as many that are received.
        double exchanged = load.expertParallel() == 1 ? 0 : 2 * rows.sent() * model.width();
        Activations activations = new Activations(architecture, precision, load, rows);
        return new MemoryEstimate(
                master * precision.master().bytes(),
                master * precision.accumulate().bytes(),
                2 * master * precision.master().bytes(),
                copied * compute,
                positions(model) * compute,
                Math.round(activations.kept()),
                Math.round(activations.working()),
                Math.round(exchanged * compute));
    }

    /** Elements of the table of positions; learned ones are weights. */
    private static long positions(ModelConfig model) {
        return switch (model.positions()) {
            case SINUSOIDAL -> (long) SinusoidalPositions.rows(model.context()) * model.width();
            case LEARNED -> 0;
        };
    }

    /** What sections keep and work with, in bytes. */
    private static final class Activations {

        private final ModelConfig model;
        private final RoutingConfig routing;
        private final Recompute recompute;
        private final boolean cuda;
        private final double tokens;
        private final double sequences;
        private final double width;
        private final double compute;
        private final double stable;
        private final double accumulate;
        private final double rows;
        private final double dropped;
        private final double innerDropped;

        Activations(Architecture architecture, Precision precision, Load load, DeviceRows deviceRows) {
            model = architecture.model();
            routing = architecture.routing();
            recompute = load.recompute();
            cuda = load.cuda();
            sequences = load.sequences();
            tokens = sequences * model.context();
            width = model.width();
            compute = precision.compute().bytes();
            stable = precision.stable().bytes();
            accumulate = precision.accumulate().bytes();
            rows = deviceRows.held();
            dropped = model.dropout() > 0 ? 1 : 0;
            innerDropped = model.activationDropout() > 0 ? 1 : 0;
        }

        /** From the forward pass to the backward pass. */
        double kept() {
            // Ids, rows of positions, targets; each token's loss. The embedding and the last norm.
            double bytes = tokens * (3 * INDEX + stable) + stream(1 + dropped) + norm();
            for (int layer = 0; layer < model.layers(); layer++) {
                bytes += kept(model.isMoeLayer(layer), recompute);
            }
            return bytes;
        }

        /** What a layer keeps, its result included. */
        private double kept(boolean moe, Recompute kind) {
            return switch (kind) {
                case NONE ->
                    attention() + norm() + (moe ? mixture() : feedForward(model.ffn(), 2 + innerDropped, dropped));
                case SELECTIVE -> leanAttention() + (moe ? leanMixture() : feedForward(model.ffn(), 1, 0));
                case FULL -> stream(1) + (moe ? routes() : 0);
            };
        }

        /** The larger of what the head and what a layer's backward pass works with. */
        double working() {
            double layers = 0;
            for (int layer = 0; layer < model.layers(); layer++) {
                layers = Math.max(layers, layer(model.isMoeLayer(layer)));
            }
            return Math.max(head(), layers);
        }

        /** The gradient that the head hands to the layers, and the most that a part of its tokens works with. */
        private double head() {
            double part = (double) HeadSection.rows((long) tokens, model.vocabulary(), cuda);
            double last = tokens - part * (Math.ceil(tokens / part) - 1);
            double most = headPart(part, part < tokens, false);
            if (part < tokens) {
                most = Math.max(most, headPart(last, true, true));
            }
            if (2 * part <= tokens) {
                most = Math.max(most, headPart(part, true, true));
            }
            return stream(1) + most;
        }

        /**
         * Logits of so many tokens, what the softmax works with, and gradients of the table.
         *
         * @param summed whether the table's gradient is the sum of several parts'
         * @param later whether there were parts before
         */
        private double headPart(double rows, boolean summed, boolean later) {
            double vocabulary = model.vocabulary();
            double chunk = cuda ? rows * vocabulary : Math.min(rows * vocabulary, (double) HeadSection.SOFTMAX_LOGITS);
            double softmax = compute == stable ? 0 : chunk * stable;
            double converted = summed && accumulate != compute ? accumulate : 0;
            double table = vocabulary * width * (compute + converted + (later ? accumulate : 0));
            return rows * vocabulary * compute + softmax + table;
        }

        /** The most that a layer's backward pass works with: in its experts or network, or in shared experts before. */
        private double layer(boolean moe) {
            double inner = (moe ? rows * model.expertFfn() : tokens * model.ffn()) * compute;
            double outer = moe ? rows * width * compute : stream(1);
            // On a CPU the activation's gradient in experts is one block of rows a thread.
            double gradients = moe && !cuda ? 1 : 2;
            double own = gradients * inner + 2 * outer + stream(moe ? 1 : dropped) + again(moe, inner, outer, false);
            if (!moe || model.sharedExperts() == 0) {
                return own;
            }
            double sharedInner = tokens * model.sharedExperts() * model.expertFfn() * compute;
            // The gradients of the experts' results and of the layer's wait meanwhile.
            double shared = 2 * sharedInner + stream(2 + dropped) + outer + stream(1) + again(true, inner, outer, true);
            return Math.max(own, shared);
        }

        /**
         * What a layer's backward pass computes again.
         *
         * @param inner bytes of the network's or the experts' inner values
         * @param outer bytes of their results
         * @param withShared whether it is the turn of shared experts, which are first: their part is still there
         */
        private double again(boolean moe, double inner, double outer, boolean withShared) {
            double shared = moe ? sharedExperts(2 + innerDropped, dropped) : 0;
            return switch (recompute) {
                case NONE -> 0;
                // The norm's result; what the activation gave with its mask, in shared experts or else in experts,
                // and the rows that these get.
                case SELECTIVE ->
                    norm()
                            + (leanAttention() == 0 ? attention() : 0)
                            + (withShared
                                    ? shared - sharedExperts(1, 0)
                                    : (1 + innerDropped) * inner + (moe ? outer : stream(dropped)));
                case FULL -> kept(moe, Recompute.NONE) - kept(moe, Recompute.FULL) - (withShared ? 0 : shared);
            };
        }

        /** So many tensors [tokens, model] in the compute type. */
        private double stream(double count) {
            return count * tokens * width * compute;
        }

        private double statistics() {
            return 2 * tokens * (cuda ? stable : compute);
        }

        private double norm() {
            return stream(1) + statistics();
        }

        /** The normalised input, queries, keys and values, what attention gave, the output; and the weights. */
        private double attention() {
            double common = stream(3 + dropped) + statistics();
            double length = model.context();
            double groups = sequences * model.heads();
            if (blocked()) {
                if (length > AttentionSection.LONGEST_KEPT) {
                    return leanAttention();
                }
                double scores = 0;
                for (long start = 0; start < length; start += AttentionBlocks.QUERIES) {
                    double end = Math.min((double) (start + AttentionBlocks.QUERIES), length);
                    scores += (end - start) * end;
                }
                return common + stream(3) + groups * scores * compute;
            }
            if (!fused()) {
                // The softmax's result; with dropout its mask and the product of both too.
                return common + stream(3) + groups * length * length * compute * (weightDropout() ? 3 : 1);
            }
            double sums = groups * length * stable;
            // Scaled queries lie apart from the projections that keys and values are views of.
            return common + sums + stream(4);
        }

        private boolean weightDropout() {
            return model.attentionDropout() > 0;
        }

        private boolean blocked() {
            return !cuda && !weightDropout();
        }

        private boolean fused() {
            return cuda && !weightDropout();
        }

        /** Queries, keys and values, what attention gave, the output; nothing where it runs again as a whole. */
        private double leanAttention() {
            if (blocked()) {
                return stream(5);
            }
            return fused() ? attention() : 0;
        }

        /**
         * A network's inner values and its result.
         *
         * @param inner tensors [tokens, ffn]
         */
        private double feedForward(double ffn, double inner, double masks) {
            return inner * tokens * ffn * compute + stream(1 + masks);
        }

        private double sharedExperts(double inner, double masks) {
            return model.sharedExperts() == 0
                    ? 0
                    : feedForward((double) model.sharedExperts() * model.expertFfn(), inner, masks);
        }

        private double mixture() {
            double k = routing.topK();
            double widened = compute < stable ? tokens * width * stable : 0;
            // Probabilities; choices' experts, masks, live weights, weights; sums before and after their bound.
            double route = widened
                    + tokens * model.experts() * stable
                    + tokens * k * (INDEX + 3 * stable)
                    + 2 * tokens * stable;
            double experts = rows * (2 * width + (2 + innerDropped) * model.expertFfn()) * compute;
            return route + routes() + experts + stream(k * dropped + 1) + sharedExperts(2 + innerDropped, dropped);
        }

        /** Inner values and results of experts, the layer's result. */
        private double leanMixture() {
            return routes() + rows * (width + model.expertFfn()) * compute + stream(1) + sharedExperts(1, 0);
        }

        private double routes() {
            return rows * (2 * INDEX + compute) + tokens * routing.topK() * (INDEX + compute);
        }
    }
}
