package dev.moe4j.bench;

import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.cost.ParameterCounts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import java.util.OptionalDouble;

/**
 * Lower bounds (a roofline model) of the time of each kind of section in a step, forward and backward over all layers. The
 * bound is the larger of two times: useful FLOPs over the matmul peak, and bytes over the memory bandwidth. Each input is
 * read once and each output written once. Activation recomputation, empty rows and cache misses are not counted, so even an
 * optimal section is above its bound.
 */
final class SectionFloors {

    /** Forward, backward for inputs, and backward for weights. */
    private static final int PASSES = 3;

    private final ModelConfig model;
    private final int topK;
    private final Cost.Forward flops;
    private final ParameterCounts parameters;
    private final Precision precision;
    private final Layout layout;
    private final double tokens;
    private final double peak;
    private final double bandwidth;

    /**
     * Bounds for one process.
     *
     * @param tokens this process's tokens per step
     * @param layout the layout of all processes
     * @param peak this process's matmul peak in FLOP/s
     * @param bandwidth this process's memory bandwidth in bytes per second
     */
    SectionFloors(
            Architecture architecture,
            Precision precision,
            double tokens,
            Layout layout,
            double peak,
            double bandwidth) {
        this.model = architecture.model();
        this.topK = architecture.routing().topK();
        this.flops = Cost.of(architecture).forward();
        this.parameters = ParameterCounts.of(architecture);
        this.precision = precision;
        this.tokens = tokens;
        this.layout = layout;
        this.peak = peak;
        this.bandwidth = bandwidth;
    }

    /** Lower bound in milliseconds; empty for sections without one, such as exchanges. */
    OptionalDouble milliseconds(String section) {
        return switch (section) {
            case "embedding" -> floor(0, stream(3) + (double) model.vocabulary() * model.width() * gradient());
            // Forward: x, y. Backward: y's gradient, x, x's gradient.
            case "norm" -> floor(0, (1 + model.layers()) * stream(5));
            // The causal mask halves the FLOPs that the cost model counts for attention.
            case "attention" ->
                floor(flops.qkv() + flops.attention() / 2 + flops.out(), weights(parameters.attention()));
            case "ffn" -> floor(flops.ffn(), weights(parameters.ffn()));
            case "shared" -> floor(flops.shared(), weights(parameters.shared()));
            case "route" -> floor(flops.router(), model.moeLayers() * stream(3));
            case "dispatch" -> floor(0, model.moeLayers() * stream(2.0 * (1 + topK)));
            case "experts", "exchanged_experts" ->
                floor(flops.experts(), weights(parameters.experts()) / layout.expertParallel());
            // Forward: residual, rows, sum. Backward: the sum's gradient, rows, rows' gradients.
            case "combine" -> floor(0, model.moeLayers() * stream(3.0 * (1 + topK)));
            case "head" -> floor(flops.head(), 0);
            default -> OptionalDouble.empty();
        };
    }

    /** Lower bound of gradient norm and update, in milliseconds. */
    double optimizerMilliseconds() {
        double master = precision.master().bytes();
        double copy = precision.compute() == precision.master()
                ? 0
                : precision.compute().bytes();
        // The gradient is read for the norm and the update. Master weights and two moments are read and written.
        double each = 2 * gradient() + 6 * master + copy;
        double experts = (double) parameters.experts().total() / layout.expertParallel();
        double dense = parameters.total() - parameters.experts().total();
        double own = layout.sharding().includes(Sharding.OPTIMIZER)
                ? dense / layout.world() + experts / layout.replicas()
                : dense + experts;
        return 1e3 * own * each / bandwidth;
    }

    private OptionalDouble floor(double forwardFlops, double bytes) {
        return OptionalDouble.of(1e3 * Math.max(PASSES * forwardFlops * tokens / peak, bytes / bandwidth));
    }

    /** Bytes of {@code count} tensors {@code [tokens, model]}. */
    private double stream(double count) {
        return count * tokens * model.width() * precision.compute().bytes();
    }

    /** Bytes of weights read forward and backward, and of their gradients written. */
    private double weights(ParameterCounts.Count count) {
        return count.total() * (2.0 * precision.compute().bytes() + gradient());
    }

    private double gradient() {
        return precision.accumulate().bytes();
    }
}
