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
 * The least time that each kind of section can take in a step, forward and backward over all layers: its useful FLOPs over
 * the peak of products or, where that is more, the bytes that it must move over the memory's rate, each input read once
 * and each output written once. What is computed again, empty rows, and traffic that a cache might save count as nothing,
 * so a section is above its floor even where it is as fast as can be.
 */
final class SectionFloors {

    /** Forward, and backward for inputs and for weights. */
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
     * Floors of one process.
     *
     * @param tokens of this process in a step
     * @param layout of all processes
     * @param peak of its products, operations per second
     * @param bandwidth of its memory, bytes per second
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

    /** In milliseconds; empty for sections that are none of the model's, such as exchanges. */
    OptionalDouble milliseconds(String section) {
        return switch (section) {
            case "embedding" -> floor(0, stream(3) + (double) model.vocabulary() * model.width() * gradient());
            // Forward x and y; backward y's gradient, x, x's gradient.
            case "norm" -> floor(0, (1 + model.layers()) * stream(5));
            // The causal mask leaves half of what attention is counted as.
            case "attention" ->
                floor(flops.qkv() + flops.attention() / 2 + flops.out(), weights(parameters.attention()));
            case "ffn" -> floor(flops.ffn(), weights(parameters.ffn()));
            case "shared" -> floor(flops.shared(), weights(parameters.shared()));
            case "route" -> floor(flops.router(), model.moeLayers() * stream(3));
            case "dispatch" -> floor(0, model.moeLayers() * stream(2.0 * (1 + topK)));
            case "experts", "exchanged_experts" ->
                floor(flops.experts(), weights(parameters.experts()) / layout.expertParallel());
            // Forward residual, rows, sum; backward the sum's gradient, rows, rows' gradients.
            case "combine" -> floor(0, model.moeLayers() * stream(3.0 * (1 + topK)));
            case "head" -> floor(flops.head(), 0);
            default -> OptionalDouble.empty();
        };
    }

    /** The gradient's norm and the update, in milliseconds. */
    double optimizerMilliseconds() {
        double master = precision.master().bytes();
        double copy = precision.compute() == precision.master()
                ? 0
                : precision.compute().bytes();
        // The gradient is read for the norm and again; master and two moments are read and written.
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

    /** Bytes of so many tensors [tokens, model]. */
    private double stream(double count) {
        return count * tokens * model.width() * precision.compute().bytes();
    }

    /** Weights read forward and backward, their gradients written. */
    private double weights(ParameterCounts.Count count) {
        return count.total() * (2.0 * precision.compute().bytes() + gradient());
    }

    private double gradient() {
        return precision.accumulate().bytes();
    }
}
