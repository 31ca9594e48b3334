package dev.moe4j.plan;

import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.cost.DeviceRows;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;

/**
 * Where the time of an update goes, modelled: seconds of one device, of which all have equal work. docs/scaling.md has the
 * formulas with worked numbers.
 *
 * <p>Not in it: reading data, checkpoints, evaluation, waiting for the host, and devices that are slower than others.
 *
 * @param products of all but attention, experts and head, forward and backward
 * @param attention scores and what is weighted by them, forward and backward
 * @param experts products of the chosen experts, or reading and writing their weights where that takes longer
 * @param head logits over the vocabulary and their softmax, forward and backward
 * @param elementwise norms, activations, sums, dropout, softmax, gathering rows: what memory's rate bounds
 * @param recomputation what the backward pass computes again
 * @param exchange tokens to their experts and back, forward and backward
 * @param exchangeHidden the part of it that runs beside the experts' products
 * @param sharding gathers of parameters and reductions of gradients
 * @param shardingHidden the part of it that runs beside forward and backward pass
 * @param optimizer norm and update
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
     * The model of an update's time.
     *
     * @param parameters of that architecture
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

    /** Seconds of an update's forward pass. */
    private record Pass(double products, double attention, double experts, double head, double elementwise) {
        double total() {
            return products + attention + experts + head + elementwise;
        }
    }

    private static final class Model {

        /** Backward passes of a product take two products: for its input and for its weights. */
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

        /** Choices of the busiest device's experts over the mean, of it; places of a capacity are as many on all. */
        private double excess(RoutingConfig routing) {
            return routing.strategy() == RoutingConfig.Strategy.CAPACITY || layout.expertParallel() == 1
                    ? 0
                    : cluster.imbalance() - 1;
        }

        StepTime time() {
            Pass once = new Pass(products(), attention(), experts(1, weights()), head(), elementwise());
            double backwardExperts = experts(BACKWARD, weights() + expertGradients());
            double backward = BACKWARD * (once.total() - once.experts()) + backwardExperts;
            double again = again(once);
            double compute = once.total() + backward + again;
            double expertsTime = once.experts() + backwardExperts;
            double exchange = exchange();
            double beside = switch (layout.shard()) {
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
                    again,
                    exchange,
                    cluster.exchangeOverlap() * Math.min(exchange, expertsTime),
                    during + afterUpdate(),
                    cluster.shardingOverlap() * Math.min(during, beside),
                    optimizer());
        }

        // Computing: an update's forward pass

        private double products() {
            double flops = forward.total() - forward.attention() - forward.experts() - forward.head();
            return computed(flops);
        }

        /** Seconds of products with so many operations for each token. */
        private double computed(double flops) {
            return tokens * flops / (peak * cluster.matmulEfficiency());
        }

        /** The fused kernel leaves out what the causal mask hides; the plain one does not. */
        private double attention() {
            return fused
                    ? tokens * forward.attention() / 2 / (peak * cluster.attentionEfficiency())
                    : computed(forward.attention());
        }

        /**
         * Products of experts, of whose weights each micro-batch reads all.
         *
         * @param bytes of weights and gradients that a micro-batch moves
         */
        private double experts(double times, double bytes) {
            return Math.max(
                    times * load * computed(forward.experts()),
                    layout.accumulation() * bytes / cluster.memoryBandwidth());
        }

        private double weights() {
            return ownExperts * precision.compute().bytes();
        }

        /** Gradients are added to: read and written. */
        private double expertGradients() {
            return 2 * ownExperts * precision.accumulate().bytes();
        }

        /**
         * Bytes that operations beside products read and write, in tensors {@code [tokens, …]} of the compute type. A norm
         * reads one and writes one; so does an activation, and splitting into heads; a sum reads two and writes one; dropout
         * reads one and a mask and writes one; a softmax of scores has its scale and mask before it.
         */
        private double elementwise() {
            double dropped = model.dropout() > 0 ? 3 : 0;
            double width = model.width();
            double attention = width * (2 + 6 + 2 + 3 + dropped)
                    + (fused
                            ? 0
                            : (4 + (model.attentionDropout() > 0 ? 3 : 0)) * (double) model.heads() * model.context());
            double network = width * (2 + 3 + dropped) + 2.0 * model.ffn();
            double sorted = layout.expertParallel() > 1 ? 4 : 0;
            double mixture = width * (2 + 3 + held * (3 + sorted + dropped) + 1)
                    + 2 * held * model.expertFfn()
                    + 2.0 * model.sharedExperts() * model.expertFfn();
            double elements = model.layers() * attention
                    + (model.layers() - model.moeLayers()) * network
                    + model.moeLayers() * mixture;
            return moved(elements);
        }

        /** The head's products, and its softmax in float32, which reads the logits twice and writes their gradients. */
        private double head() {
            return computed(forward.head()) + moved(6.0 * model.vocabulary());
        }

        /** Seconds for so many elements of each token. */
        private double moved(double elements) {
            return tokens * elements * precision.compute().bytes() / cluster.memoryBandwidth();
        }

        /** What runs again: all but the head; or what costs little, with attention as a whole where it is not fused. */
        private double again(Pass once) {
            return switch (layout.recompute()) {
                case NONE -> 0;
                case SELECTIVE ->
                    once.elementwise() + (fused ? 0 : once.attention() + computed(forward.qkv() + forward.out()));
                case FULL -> once.total() - once.head();
            };
        }

        // Exchanging

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

        /** Reductions of gradients and gathers of sections, which run beside forward and backward pass. */
        private double duringPasses() {
            return layout.reductions() * gathered(precision.accumulate().bytes())
                    + layout.gathersDuringPasses()
                            * gathered(precision.compute().bytes());
        }

        /** The new parameters, gathered from those that updated them. */
        private double afterUpdate() {
            return layout.gathersAfterUpdate() * gathered(precision.compute().bytes());
        }

        /** Gathers what everybody has over all, and experts over their copies, a section at a time. */
        private double gathered(double bytesEach) {
            Links.Ring all = new Links.Ring(layout.devices(), 1);
            Links.Ring copies = new Links.Ring(layout.dataParallel(), layout.expertParallel());
            return links.gather(dense * bytesEach, all, 2.0 * model.layers() + 1)
                    + links.gather(ownExperts * bytesEach, copies, model.moeLayers());
        }

        /** Reads gradients twice, for their norm and for the update; reads and writes master and moments. */
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
