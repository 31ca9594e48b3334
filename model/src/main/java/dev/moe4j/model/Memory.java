package dev.moe4j.model;

import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Unit;

/**
 * Bytes of tensors on one device at the end of a forward pass in training, where they are the most but for the working
 * space of single products, by cause. It follows what this code allocates: flat units with their padding, what each
 * section saves for its backward pass, the logits in the compute type. Nothing is recomputed; tokens are spread evenly over
 * experts; buffers of exchanges between devices are not counted. A test holds it against what is measured on a CPU.
 *
 * @param weights masters
 * @param gradients in the accumulation type
 * @param optimizer two moments in the master's type
 * @param workingCopy of the masters, in the compute type; 0 where both types are one
 * @param tables positions and the causal mask
 * @param activations what sections keep for the backward pass, but for the logits
 * @param logits of the head
 */
public record Memory(
        long weights, long gradients, long optimizer, long workingCopy, long tables, long activations, long logits) {

    /** Rows that rounding adds to an expert's, in the mean. */
    private static final double ROUNDING = (Assignment.ROW_MULTIPLE - 1) / 2.0;

    private static final int INDEX = 8;

    /**
     * What one device holds.
     *
     * @param sequences that go through the model at a time, each as long as the context
     * @param expertParallel devices that share the experts
     * @param cuda whether attention is libtorch's fused kernel, as on a GPU
     */
    public record Load(int sequences, int expertParallel, boolean cuda) {}

    public long total() {
        return weights + gradients + optimizer + workingCopy + tables + activations + logits;
    }

    /** The memory of a model in training under that load. */
    public static Memory of(Architecture architecture, Precision precision, Load load) {
        ModelConfig model = architecture.model();
        long master = 0;
        long copied = 0;
        for (ModelParameters.UnitSpec unit :
                (Iterable<ModelParameters.UnitSpec>) ModelParameters.units(model)::iterator) {
            long elements = unit.specs().stream()
                    .mapToLong(spec -> Unit.aligned(spec.elements() / (spec.stacked() ? load.expertParallel() : 1)))
                    .sum();
            master += elements;
            copied += unit.inMaster() || precision.compute() == precision.master() ? 0 : elements;
        }
        long compute = precision.compute().bytes();
        long context = model.context();
        return new Memory(
                master * precision.master().bytes(),
                master * precision.accumulate().bytes(),
                2 * master * precision.master().bytes(),
                copied * compute,
                ((context + SinusoidalPositions.FIRST_ROW) * model.width() + context * context) * compute,
                Math.round(new Activations(architecture, precision, load).total()),
                load.sequences() * context * model.vocabulary() * compute);
    }

    /** What sections keep, in bytes. */
    private static final class Activations {

        private final ModelConfig model;
        private final RoutingConfig routing;
        private final boolean cuda;
        private final double tokens;
        private final double sequences;
        private final double width;
        private final double compute;
        private final double stable;
        private final double ownExperts;
        private final double dropped;

        Activations(Architecture architecture, Precision precision, Load load) {
            model = architecture.model();
            routing = architecture.routing();
            cuda = load.cuda();
            sequences = load.sequences();
            tokens = sequences * model.context();
            width = model.width();
            compute = precision.compute().bytes();
            stable = precision.stable().bytes();
            ownExperts = (double) model.experts() / load.expertParallel();
            dropped = model.dropout() > 0 ? 1 : 0;
        }

        double total() {
            // Ids, rows of positions, targets; each token's loss and share.
            double ends = tokens * (3 * INDEX + stable + compute);
            double embedding = stream(1 + dropped);
            double bytes = ends + embedding + norm();
            for (int layer = 0; layer < model.layers(); layer++) {
                bytes += attention() + norm() + (model.isMoeLayer(layer) ? mixture() : feedForward(model.ffn()));
            }
            return bytes;
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
            boolean weightDropout = model.attentionDropout() > 0;
            if (!cuda && !weightDropout && length <= LanguageModel.LONGEST_BLOCKED) {
                double scores = 0;
                for (long start = 0; start < length; start += BlockedAttentionSection.BLOCK) {
                    double end = Math.min((double) (start + BlockedAttentionSection.BLOCK), length);
                    scores += (end - start) * end;
                }
                return common + stream(3) + groups * scores * compute;
            }
            if (weightDropout || (!cuda && length <= AttentionSection.LONGEST_PLAIN)) {
                // The softmax's result; with dropout its mask and the product of both too.
                return common + stream(3) + groups * length * length * compute * (weightDropout ? 3 : 1);
            }
            double sums = groups * length * stable;
            boolean widened = !cuda && compute < stable;
            return common
                    + sums
                    // Scaled queries lie apart from the projections that keys and values are views of.
                    + (widened ? 4 * tokens * width * stable : stream(4));
        }

        private double feedForward(double ffn) {
            double inner = model.activation() == Activation.RELU ? 1 : 2;
            return inner * tokens * ffn * compute + stream(1 + dropped);
        }

        private double mixture() {
            double k = routing.topK();
            double choices = tokens * k;
            double rows = choices + ownExperts * ROUNDING;
            double widened = compute < stable ? tokens * width * stable : 0;
            // Probabilities; choices' experts, masks, live weights, weights; sums before and after their bound.
            double route =
                    widened + tokens * model.experts() * stable + choices * (INDEX + 3 * stable) + 2 * tokens * stable;
            double routes = rows * (2 * INDEX + compute) + choices * (INDEX + compute);
            double experts = rows * 2 * (width + model.expertFfn()) * compute;
            double combine = stream(k * (1 + dropped) + 1);
            double shared =
                    model.sharedExperts() == 0 ? 0 : feedForward((double) model.sharedExperts() * model.expertFfn());
            return route + routes + experts + combine + shared;
        }
    }
}
