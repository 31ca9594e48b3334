package dev.moe4j.bench;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.hardware.MatmulPeak;
import java.util.ArrayList;
import java.util.List;

/** Measures matrix products: the 1024³ product, which defines the peak, and the products of a training step. */
public final class GemmBenchmark {
    private GemmBenchmark() {}

    /**
     * The fastest of several products {@code [rows, inner] · [inner, columns]}.
     *
     * @param name the product's use in the model
     * @param gflops 10⁹ floating-point operations per second
     */
    public record Result(String name, int rows, int inner, int columns, String dtype, double gflops) {}

    private record Shape(String name, int rows, int inner, int columns) {}

    /** The products of the preset {@code cpu-moe32}: width 256, feed-forward 1024, 16 sequences of 256. */
    private static final List<Shape> SHAPES = List.of(
            new Shape("square", 1024, 1024, 1024),
            new Shape("attention qkv", 4096, 256, 768),
            new Shape("attention out", 4096, 256, 256),
            new Shape("ffn fc1", 4096, 256, 1024),
            new Shape("ffn fc2", 4096, 1024, 256),
            new Shape("ffn fc1 weight gradient", 1024, 4096, 256),
            new Shape("expert fc1", 256, 256, 1024),
            new Shape("expert fc2", 256, 1024, 256),
            new Shape("head", 512, 256, 8192));

    /** The number of products per type. */
    public static int shapes() {
        return SHAPES.size();
    }

    /** Measures each product in each type; {@code done} runs after each product. */
    public static List<Result> run(List<DType> dtypes, Device device, Runnable done) {
        List<Result> results = new ArrayList<>();
        for (DType dtype : dtypes) {
            for (Shape shape : SHAPES) {
                double flops = MatmulPeak.measure(shape.rows, shape.inner, shape.columns, dtype, device);
                results.add(new Result(
                        shape.name, shape.rows, shape.inner, shape.columns, DTypes.name(dtype), flops / 1e9));
                done.run();
            }
        }
        return results;
    }
}
