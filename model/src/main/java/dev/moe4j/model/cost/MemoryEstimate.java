package dev.moe4j.model.cost;

import dev.moe4j.model.block.AttentionBlocks;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.parameter.ParameterGroup;

/**
 * Estimates the peak bytes of tensors on one device in training, by cause. The peak occurs in the head or in a layer's
 * backward pass. The estimate follows the allocations of this code: flat parameter groups with their padding, the
 * tensors that each section saves for backward, and the working tensors of the head and of the largest layer. It
 * assumes that tokens are spread evenly over experts, and does not count the working space inside libtorch's operators.
 * A test compares it with peaks measured on a CPU.
 *
 * <p>Under expert parallelism, devices exchange rows ({@link DeviceRows}). Rows sent, rows received, and the experts'
 * rows, which are sorted and rounded up, are separate tensors. One exchange is in flight at a time, and backward's
 * exchanges are as large as forward's. The gradient all-reduce needs no extra memory: gradients lie flat in their
 * groups and are summed in place, because they travel in the type they accumulate in.
 *
 * @param weights master weights
 * @param gradients in the accumulation type
 * @param optimizer two moments in the master weights' type
 * @param workingCopy the copy of the master weights in the compute type (mixed precision); 0 if both types are equal
 * @param tables sinusoidal positions
 * @param activations tensors kept from the forward pass to the backward pass
 * @param working temporary tensors: the head's logits and gradients, or one layer's gradients and its recomputed
 *     activations
 * @param exchange rows sent to other devices' experts and received for local experts; 0 without expert parallelism
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
     * The load of one device.
     *
     * @param sequences sequences of a micro-batch, each as long as the context
     * @param expertParallel devices that share the experts
     * @param cuda whether the device is a GPU, where attention uses libtorch's fused kernel and the device routes if it
     *     can
     */
    public record Load(int sequences, int expertParallel, boolean cuda, Recompute recompute) {}

    public long total() {
        return weights + gradients + optimizer + workingCopy + tables + activations + working + exchange;
    }

    /** The peak memory of a model in training. */
    public static MemoryEstimate of(Architecture architecture, Precision precision, Load load) {
        ModelConfig model = architecture.model();
        long master = 0;
        long copied = 0;
        for (ModelParameters.GroupSpec unit :
                (Iterable<ModelParameters.GroupSpec>) ModelParameters.groups(model)::iterator) {
            long elements = unit.specs().stream()
                    .mapToLong(spec ->
                            ParameterGroup.aligned(spec.elements() / (spec.stacked() ? load.expertParallel() : 1)))
                    .sum();
            master += elements;
            copied += unit.inMaster() || precision.compute() == precision.master() ? 0 : elements;
        }
        long compute = precision.compute().bytes();
        DeviceRows rows = DeviceRows.of(architecture, precision, load);
        // Rows sent and, with an even spread, the same number of rows received.
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

    /** Elements of the sinusoidal table; learned positions count as weights. */
    private static long positions(ModelConfig model) {
        return switch (model.positions()) {
            case SINUSOIDAL -> (long) SinusoidalPositions.rows(model.context()) * model.width();
            case LEARNED, ROPE -> 0;
        };
    }

    /** The tensors that sections save and work with, in bytes. */
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
        /** The columns of fc1's output for each inner element. */
        private final double fc1;
        /** The tensors [rows, ffn] that a network saves: fc1's output, the activation's output and its mask. */
        private final double kept;
        /** The tensors [rows, ffn] with which backward works: gradients, and with gates the activation. */
        private final double innerGradients;

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
            fc1 = model.feedForward().gated() ? 2 : 1;
            kept = fc1 + 1 + innerDropped;
            innerGradients = model.feedForward().gated() ? 4 : 2;
        }

        /** Bytes kept from the forward pass to the backward pass. */
        double kept() {
            // Token ids, position rows, targets; each token's loss. The embedding and the last norm.
            double bytes = tokens * (3 * INDEX + stable) + stream(1 + dropped) + norm() + rotation();
            for (int layer = 0; layer < model.layers(); layer++) {
                bytes += kept(model.isMoeLayer(layer), recompute);
            }
            return bytes;
        }

        /** Bytes that a layer keeps, including its output. */
        private double kept(boolean moe, Recompute kind) {
            return switch (kind) {
                case NONE -> attention() + norm() + (moe ? mixture() : feedForward(model.ffn(), kept, dropped));
                case SELECTIVE -> leanAttention() + (moe ? leanMixture() : feedForward(model.ffn(), fc1, 0));
                case FULL -> stream(1) + (moe ? routes() : 0);
            };
        }

        /** The larger of the working tensors of the head and of a layer's backward pass. */
        double working() {
            double layers = 0;
            for (int layer = 0; layer < model.layers(); layer++) {
                layers = Math.max(layers, layer(model.isMoeLayer(layer)));
            }
            return Math.max(head(), layers);
        }

        /** The gradient that the head passes to the layers, and the largest working set of a part of its tokens. */
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
         * The logits of a part's tokens, the softmax's working tensors, and gradients of the table.
         *
         * @param summed whether the table's gradient is summed over several parts
         * @param later whether other parts came before
         */
        private double headPart(double rows, boolean summed, boolean later) {
            double vocabulary = model.vocabulary();
            double chunk = cuda ? rows * vocabulary : Math.min(rows * vocabulary, (double) HeadSection.SOFTMAX_LOGITS);
            double softmax = compute == stable ? 0 : chunk * stable;
            double converted = summed && accumulate != compute ? accumulate : 0;
            double table = vocabulary * width * (compute + converted + (later ? accumulate : 0));
            return rows * vocabulary * compute + softmax + table;
        }

        /**
         * The peak of a layer's backward pass: in its experts or network, or in the shared experts, which come before.
         */
        private double layer(boolean moe) {
            double inner = (moe ? rows * model.expertFfn() : tokens * model.ffn()) * compute;
            double outer = moe ? rows * width * compute : stream(1);
            // On a CPU, the activation's gradient in experts is one block of rows per thread.
            double gradients = moe && !cuda ? fc1 : innerGradients;
            double own =
                    gradients * inner + 2 * outer + stream(moe ? 1 : dropped) + recomputed(moe, inner, outer, false);
            if (!moe || model.sharedExperts() == 0) {
                return own;
            }
            double sharedInner = tokens * model.sharedFfn() * compute;
            // The gradients of the experts' outputs and of the layer's output are still allocated.
            double shared = innerGradients * sharedInner
                    + stream(2 + dropped)
                    + outer
                    + stream(1)
                    + recomputed(true, inner, outer, true);
            return Math.max(own, shared);
        }

        /**
         * Bytes that a layer's backward pass recomputes.
         *
         * @param inner bytes of the network's or the experts' inner values
         * @param outer bytes of their outputs
         * @param withShared whether this is during the shared experts' backward, which comes first, so their part is
         *     still allocated
         */
        private double recomputed(boolean moe, double inner, double outer, boolean withShared) {
            double shared = moe ? sharedExperts(kept, dropped) : 0;
            return switch (recompute) {
                case NONE -> 0;
                // The norm's output; the activation's output with its mask, in shared experts or else in experts; and
                // the experts' input rows.
                case SELECTIVE ->
                    norm()
                            + (leanAttention() == 0 ? attention() : 0)
                            + (withShared
                                    ? shared - sharedExperts(fc1, 0)
                                    : (1 + innerDropped) * inner + (moe ? outer : stream(dropped)));
                case FULL -> kept(moe, Recompute.NONE) - kept(moe, Recompute.FULL) - (withShared ? 0 : shared);
            };
        }

        /** Bytes of a number of tensors [tokens, model] in the compute type. */
        private double stream(double count) {
            return count * tokens * width * compute;
        }

        private double statistics() {
            return switch (model.norm().kind()) {
                case LAYER -> 2 * tokens * (cuda ? stable : compute);
                case RMS -> tokens * stable;
            };
        }

        /** The cosines and sines of rotary positions, for all layers. */
        private double rotation() {
            return model.positions() == Positions.ROPE ? tokens * model.rope().rotated(model.headWidth()) * stable : 0;
        }

        /** Bytes of queries, keys and values. */
        private double projections() {
            return tokens * (model.heads() + 2.0 * model.kvHeads()) * model.headWidth() * compute;
        }

        /** Bytes of the attention output before its projection, or of queries. */
        private double queries() {
            return tokens * model.heads() * model.headWidth() * compute;
        }

        /** Bytes of keys. Values take as many. */
        private double keys() {
            return tokens * model.kvHeads() * model.headWidth() * compute;
        }

        /**
         * Bytes that libtorch's autograd keeps in unblocked attention in addition: the quotients of root mean square
         * norms, and keys and values that are repeated for the query heads that share them.
         */
        private double derived() {
            boolean normed = model.attention().qkNorm() != AttentionConfig.QkNorm.NONE;
            return (model.norm().kind() == NormConfig.Kind.RMS ? stream(1) : 0)
                    + (normed ? queries() + keys() : 0)
                    + 2 * (queries() - keys());
        }

        /** Bytes that norms of queries and keys keep: the projections before them, and statistics. */
        private double normedProjections() {
            return switch (model.attention().qkNorm()) {
                case NONE -> 0;
                case WIDTH -> projections() + 2 * tokens * stable;
                case HEAD -> projections() + tokens * (model.heads() + model.kvHeads()) * stable;
            };
        }

        private double norm() {
            return stream(1) + statistics();
        }

        /**
         * The normalised input, queries, keys and values, the attention output, the section's output, and the attention
         * weights.
         */
        private double attention() {
            double common = stream(2 + dropped) + queries() + statistics() + normedProjections();
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
                return common + projections() + groups * scores * compute;
            }
            if (!fused()) {
                // The softmax's output; with dropout, also its mask and their product.
                return common
                        + derived()
                        + projections()
                        + groups * length * length * compute * (weightDropout() ? 3 : 1);
            }
            double sums = groups * length * stable;
            // Scaled queries are a copy, whereas keys and values are views of the projections.
            return common + derived() + sums + projections() + queries();
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

        /**
         * Queries, keys and values, the attention output, and the section's output; nothing if the section is
         * recomputed as a whole.
         */
        private double leanAttention() {
            if (blocked()) {
                return projections() + queries() + stream(1) + normedProjections();
            }
            return fused() ? attention() : 0;
        }

        /**
         * A network's inner values and its output.
         *
         * @param inner the number of tensors [tokens, ffn]
         */
        private double feedForward(double ffn, double inner, double masks) {
            return inner * tokens * ffn * compute + stream(1 + masks);
        }

        private double sharedExperts(double inner, double masks) {
            return model.sharedExperts() == 0 ? 0 : feedForward(model.sharedFfn(), inner, masks);
        }

        private double mixture() {
            double k = routing.topK();
            double widened = compute < stable ? tokens * width * stable : 0;
            // Probabilities; choices' experts, masks, unnormalised weights, weights; sums before and after their lower
            // bound.
            double route = widened
                    + tokens * model.experts() * stable
                    + tokens * k * (INDEX + 3 * stable)
                    + 2 * tokens * stable;
            double experts = rows * (2 * width + kept * model.expertFfn()) * compute;
            return route + routes() + experts + stream(k * dropped + 1) + sharedExperts(kept, dropped);
        }

        /** Inner values and outputs of experts, and the layer's output. */
        private double leanMixture() {
            return routes() + rows * (width + fc1 * model.expertFfn()) * compute + stream(1) + sharedExperts(fc1, 0);
        }

        private double routes() {
            return rows * (2 * INDEX + compute) + tokens * routing.topK() * (INDEX + compute);
        }
    }
}
