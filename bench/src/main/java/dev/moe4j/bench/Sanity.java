package dev.moe4j.bench;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/** Checks that a device computes correctly, by small calculations with known results. */
public final class Sanity {
    private static final int SIZE = 256;

    private Sanity() {}

    /**
     * The result of one calculation.
     *
     * @param error relative distance from the correct result
     * @param bound largest correct error
     */
    public record Check(String name, double error, double bound) {
        public boolean holds() {
            return error <= bound; // false for NaN
        }
    }

    /** Runs all checks, in some milliseconds. */
    public static List<Check> run(Device device) {
        Libtorch.load();
        try (Scope _ = Scope.open()) {
            return List.of(
                    new Check("fp32 product against fp64", product(DType.FLOAT32, device), 1e-5),
                    new Check("bf16 product against fp64", product(DType.BFLOAT16, device), 1e-2),
                    new Check("softmax sums to one", softmax(device), 1e-5),
                    new Check("fused attention against plain", attention(device), 1e-5),
                    new Check("gradient against its formula", gradient(device), 1e-12));
        }
    }

    private static double product(DType dtype, Device device) {
        Tensor a = random(1, device, SIZE, SIZE).to(dtype);
        Tensor b = random(2, device, SIZE, SIZE).to(dtype);
        Tensor exact = a.to(DType.FLOAT64).matmul(b.to(DType.FLOAT64));
        return distance(a.matmul(b), exact);
    }

    private static double softmax(Device device) {
        Tensor sums = random(3, device, SIZE, 1000)
                .to(DType.FLOAT32)
                .mul(20)
                .softmax(-1)
                .to(DType.FLOAT64)
                .sum(-1);
        return distance(sums, Tensor.full(1, DType.FLOAT64, device, SIZE));
    }

    private static double attention(Device device) {
        Tensor q = random(4, device, 2, 2, 64, 32);
        Tensor k = random(5, device, 2, 2, 64, 32);
        Tensor v = random(6, device, 2, 2, 64, 32);
        Tensor plain = q.matmul(k.transpose(-2, -1))
                .add(Functions.causalMask(64, DType.FLOAT64, device))
                .softmax(-1)
                .matmul(v);
        return distance(
                Functions.causalAttention(q.to(DType.FLOAT32), k.to(DType.FLOAT32), v.to(DType.FLOAT32), null), plain);
    }

    /** The gradient of Σ (x·w)² is 2·x·w·wᵀ. */
    private static double gradient(Device device) {
        Tensor w = random(7, device, 32, 16);
        Section section = new Section.Autograd() {
            @Override
            public String name() {
                return "sanity";
            }

            @Override
            public List<Parameter> parameters() {
                return List.of();
            }

            @Override
            public Tensor[] forward(Tensor... inputs) {
                return new Tensor[] {inputs[0].matmul(w).square().sum()};
            }
        };
        try (Tape tape = Tape.recording()) {
            Value x = tape.variable(random(8, device, 8, 32));
            tape.backward(tape.run(section, x));
            Tensor gradient = tape.gradient(x);
            return gradient == null
                    ? Double.NaN
                    : distance(gradient, x.tensor().matmul(w).matmul(w.t()).mul(2));
        }
    }

    private static double distance(Tensor a, Tensor exact) {
        return a.to(DType.FLOAT64).sub(exact).norm() / exact.norm();
    }

    private static Tensor random(long seed, Device device, long... shape) {
        Tensor tensor = Tensor.empty(DType.FLOAT64, Device.CPU, shape);
        new RandomKey(seed).fillUniform(tensor, -1, 1);
        return tensor.to(device);
    }
}
