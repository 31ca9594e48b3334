package dev.moe4j.plan;

import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.cost.DeviceRows;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;

/**
 * A model of the time of an update, by cause: seconds on one device, when all devices have equal work. docs/scaling.md
 * has the formulas with worked numbers.
 *
 * <p>The model leaves out data loading, checkpoints, evaluation, host overhead, and devices that are slower than
 * others.
 *
 * @param products matrix products other than attention, experts and head, forward and backward
 * @param attention attention scores and weighted sums, forward and backward
 * @param experts the experts' matrix products, or reading and writing their weights if that takes longer
 * @param head logits over the vocabulary and their softmax, forward and backward
 * @param elementwise operations bound by memory bandwidth: norms, activations, sums, dropout, softmax, gathering tokens
 * @param recomputation activation recomputation in the backward pass
 * @param exchange all-to-all exchanges of tokens with the experts, forward and backward
 * @param exchangeHidden the part of the exchange that overlaps the experts' products
 * @param sharding all-gathers of parameters and reductions of gradients
 * @param shardingHidden the part of it that overlaps the forward and backward pass
 * @param optimizer gradient norm and update
 */
public record StepTime(
        double products,
        double attention,
        double experts,
        double head,
        double elementwise,
        double recomputation,
        double exchange,
        double exchangeHidden,
        double sharding,
        double shardingHidden,
        double optimizer) {

    public double total() {
        return compute() + exchange - exchangeHidden + sharding - shardingHidden + optimizer;
    }

    private double compute() {
        return products + attention + experts + head + elementwise + recomputation;
    }

    /**
     * Models the time of an update.
     *
     * @param parameters the architecture's parameter counts
     */
    static StepTime of(
            Architecture architecture,
            ParameterCounts parameters,
            Precision precision,
            Accelerator device,
            Cluster cluster,
            DeviceLayout layout) {
        return new Model(architecture, parameters, precision, device, cluster, layout).time();
    }

    /** Seconds of the forward pass of an update. */
    private record Pass(double products, double attention, double experts, double head, double elementwise) {
        double total() {
            return products + attention + experts + head + elementwise;
        }
    }

    private static final class Model {

        /** The backward pass of a product takes two products: for the gradients of its input and of its weights. */
        private static final int BACKWARD = 2;

        private static final int MOMENTS = 2;

        private final ModelConfig model;
        private final Cost.Forward forward;
        private final Precision precision;
        private final Cluster cluster;
        private final DeviceLayout layout;
        private final Links links;
        private final boolean fused;
        private final double peak;
        private final double tokens;
        private final double sent;
        private final double held;
        private final double load;
        private final double dense;
        private final double ownExperts;

        Model(
                Architecture architecture,
                ParameterCounts parameters,
                Precision precision,
                Accelerator device,
                Cluster cluster,
                DeviceLayout layout) {
            this.model = architecture.model();
            this.forward = Cost.of(architecture).forward();
            this.precision = precision;
            this.cluster = cluster;
            this.layout = layout;
            this.links = new Links(cluster);
            this.fused = !device.isCpu() && model.attentionDropout() == 0;
            this.peak = device.flopsPerSecond();
            this.tokens = (double) layout.sequencesPerDevice() * model.context();
            DeviceRows rows = DeviceRows.of(architecture, precision, layout.load(!device.isCpu()));
            double microTokens = (double) layout.microBatch() * model.context();
            double excess = excess(architecture.routing()) * rows.choices();
            this.sent = (rows.sent() + excess) / microTokens;
            this.held = (rows.held() + excess) / microTokens;
            this.load = (rows.computed() + excess) / rows.choices();
            this.dense = (double) parameters.total() - parameters.experts().total();
            this.ownExperts = (double) parameters.experts().total() / layout.expertParallel();
        }

        /**
         * The busiest device's load above the mean, as a fraction; 0 if experts have a capacity, since all then compute
         * the same number of places.
         */
        private double excess(RoutingConfig routing) {
            return routing.strategy() == RoutingConfig.Strategy.CAPACITY || layout.expertParallel() == 1
                    ? 0
                    : cluster.imbalance() - 1;
        }

        StepTime time() {
            Pass once = new Pass(products(), attention(), experts(1, weights()), head(), elementwise());
            double backwardExperts = experts(BACKWARD, weights() + expertGradients());
            double backward = BACKWARD * (once.total() - once.experts()) + backwardExperts;
            double recomputation = recomputation(once);
            double compute = once.total() + backward + recomputation;
            double expertsTime = once.experts() + backwardExperts;
            double exchange = exchange();
            double overlapping = switch (layout.shard()) {
                case NONE, OPTIMIZER -> backward / layout.accumulation();
                case GRADIENTS -> backward;
                case PARAMETERS -> compute;
            };
            double during = duringPasses();
            return new StepTime(
                    (1 + BACKWARD) * once.products(),
                    (1 + BACKWARD) * once.attention(),
                    expertsTime,
                    (1 + BACKWARD) * once.head(),
                    (1 + BACKWARD) * once.elementwise(),
                    recomputation,
                    exchange,
                    cluster.exchangeOverlap() * Math.min(exchange, expertsTime),
                    during + afterUpdate(),
                    cluster.shardingOverlap() * Math.min(during, overlapping),
                    optimizer());
        }

        // Computation of a forward pass

        private double products() {
            double flops = forward.total() - forward.attention() - forward.experts() - forward.head();
            return computed(flops);
        }

        /** Seconds for matrix products with {@code flops} operations per token. */
        private double computed(double flops) {
            return tokens * flops / (peak * cluster.matmulEfficiency());
        }

        /** The fused kernel skips the masked half of the scores; the unfused operators compute it. */
        private double attention() {
            return fused
                    ? tokens * forward.attention() / 2 / (peak * cluster.attentionEfficiency())
                    : computed(forward.attention());
        }

        /**
         * Seconds of the experts' products. Each micro-batch reads all of the experts' weights.
         *
         * @param times products relative to one forward pass
         * @param bytes weights and gradients that a micro-batch moves
         */
        private double experts(double times, double bytes) {
            return Math.max(
                    times * load * computed(forward.experts()),
                    layout.accumulation() * bytes / cluster.memoryBandwidth());
        }

        private double weights() {
            return ownExperts * precision.compute().bytes();
        }

        /** Bytes of the accumulated gradients, which are read and written. */
        private double expertGradients() {
            return 2 * ownExperts * precision.accumulate().bytes();
        }

        /**
         * Seconds of the operations other than products, which memory bandwidth bounds. Counts reads and writes of
         * tensors {@code [tokens, …]} in the compute type. A norm, an activation, a rotation and the split into heads
         * each read one and write one; a gate reads another one. A sum reads two and writes one. Dropout reads one and a mask, and writes one. An unfused
         * softmax of scores also has a scale and a mask.
         */
        private double elementwise() {
            double dropped = model.dropout() > 0 ? 3 : 0;
            double width = model.width();
            double queries = (double) model.heads() * model.headWidth();
            double projections = queries + 2.0 * model.kvHeads() * model.headWidth();
            double prepared = model.attention().qkNorm() == AttentionConfig.QkNorm.NONE ? 0 : 2 * projections;
            double rotated = model.positions() == Positions.ROPE ? 2 * projections : 0;
            double attention = width * (2 + 3 + dropped)
                    + 2 * (projections + queries)
                    + prepared
                    + rotated
                    + (fused
                            ? 0
                            : (4 + (model.attentionDropout() > 0 ? 3 : 0)) * (double) model.heads() * model.context());
            double inner = model.feedForward().gated() ? 4 : 2;
            double network = width * (2 + 3 + dropped) + inner * model.ffn();
            double sorted = layout.expertParallel() > 1 ? 4 : 0;
            double mixture = width * (2 + 3 + held * (3 + sorted + dropped) + 1)
                    + inner * held * model.expertFfn()
                    + inner * model.sharedFfn();
            double elements = model.layers() * attention
                    + (model.layers() - model.moeLayers()) * network
                    + model.moeLayers() * mixture;
            return moved(elements);
        }

        /** The head's products and its float32 softmax, which reads the logits twice and writes their gradients. */
        private double head() {
            return computed(forward.head()) + moved(6.0 * model.vocabulary());
        }

        /** Seconds to move {@code elements} elements per token. */
        private double moved(double elements) {
            return tokens * elements * precision.compute().bytes() / cluster.memoryBandwidth();
        }

        /**
         * Seconds of recomputation: everything but the head (full), or the cheap operations, with all of attention if
         * it is not fused (selective).
         */
        private double recomputation(Pass once) {
            return switch (layout.recompute()) {
                case NONE -> 0;
                case SELECTIVE ->
                    once.elementwise() + (fused ? 0 : once.attention() + computed(forward.qkv() + forward.out()));
                case FULL -> once.total() - once.head();
            };
        }

        // Communication

        private double exchange() {
            if (layout.expertParallel() == 1) {
                return 0;
            }
            double accumulation = layout.accumulation();
            double bytes = tokens
                    / accumulation
                    * sent
                    * model.width()
                    * precision.compute().bytes();
            return accumulation
                    * model.moeLayers()
                    * cluster.exchanges()
                    * links.allToAll(bytes, layout.expertParallel());
        }

        /** Gradient reductions and parameter gathers during the forward and backward pass, which can overlap it. */
        private double duringPasses() {
            return layout.reductions() * gathered(precision.accumulate().bytes())
                    + layout.gathersDuringPasses()
                            * gathered(precision.compute().bytes());
        }

        /** The all-gather of updated parameters after the update of a sharded optimizer. */
        private double afterUpdate() {
            return layout.gathersAfterUpdate() * gathered(precision.compute().bytes());
        }

        /** Gathers the dense parameters over all devices and the experts over their copies, one section at a time. */
        private double gathered(double bytesEach) {
            Links.Ring all = new Links.Ring(layout.devices(), 1);
            Links.Ring copies = new Links.Ring(layout.dataParallel(), layout.expertParallel());
            return links.gather(dense * bytesEach, all, 2.0 * model.layers() + 1)
                    + links.gather(ownExperts * bytesEach, copies, model.moeLayers());
        }

        /**
         * The optimizer reads gradients twice, for norm and update, and reads and writes master weights and moments.
         */
        private double optimizer() {
            double master = precision.master().bytes();
            double copy = precision.compute() == precision.master()
                    ? 0
                    : precision.compute().bytes();
            double bytes = 2 * precision.accumulate().bytes() + 2 * (1 + MOMENTS) * master + copy;
            boolean shared = layout.shard().includes(Sharding.OPTIMIZER);
            double own = shared ? dense / layout.devices() + ownExperts / layout.dataParallel() : dense + ownExperts;
            return own * bytes / cluster.memoryBandwidth();
        }
    }
}
