package dev.moe4j.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.bytedeco.pytorch.Scalar;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Operations do not leak native memory: neither tensors nor the binding's temporaries. */
class NativeHeapTest {

    private static final int CALLS = 100;
    private static final int MOST_BLOCKS = 5000;

    /** The number of successive blocks that must grow the heap by the same amount. */
    private static final int ENOUGH = 3;

    /** Half of the smallest allocation of the C library. */
    private static final double MOST_BYTES_PER_CALL = 16;

    private static final Map<String, Runnable> OPERATIONS = new TreeMap<>();
    private static final Scope INPUTS = Scope.detached();
    private static final Parameters PARAMETERS = new Parameters(Precision.FP32, Device.CPU);

    @BeforeAll
    static void requireCounter() {
        assumeTrue(NativeHeap.inUse().isPresent(), "the C library does not report its heap");
    }

    @AfterAll
    static void close() {
        INPUTS.close();
        PARAMETERS.close();
    }

    private static Tensor floats(double value, long... shape) {
        try (Scope _ = Scope.open()) {
            return INPUTS.keep(Tensor.full(value, DType.FLOAT32, Device.CPU, shape));
        }
    }

    private static Tensor longs(long value, long... shape) {
        try (Scope _ = Scope.open()) {
            return INPUTS.keep(Tensor.full((double) value, DType.INT64, Device.CPU, shape));
        }
    }

    static List<String> operations() {
        if (OPERATIONS.isEmpty()) {
            general();
            ofNetworks();
            ofUpdates();
            ofSections();
        }
        return List.copyOf(OPERATIONS.keySet());
    }

    private static void general() {
        Tensor x = floats(1, 4, 4);
        Tensor y = floats(2, 4, 4);
        Tensor batch = floats(1, 2, 4, 4);
        Tensor index = longs(1, 4);
        Tensor mask = floats(0, 4, 4);
        OPERATIONS.put("empty", () -> Tensor.empty(DType.FLOAT32, Device.CPU, 4));
        OPERATIONS.put("full", () -> Tensor.full(2.5, DType.FLOAT32, Device.CPU, 4));
        OPERATIONS.put("of", () -> Tensor.of(1.0, 2.0));
        OPERATIONS.put("arange", () -> Tensor.arange(4, Device.CPU));
        OPERATIONS.put("concat", () -> Tensor.concat(0, x, y));
        OPERATIONS.put("to", () -> x.to(DType.BFLOAT16));
        OPERATIONS.put("copy", () -> x.copy(y));
        OPERATIONS.put(
                "arithmetic",
                () -> x.add(y).sub(y).mul(y).div(y).add(1).mul(2).addInPlace(y).mulInPlace(2));
        OPERATIONS.put("clamp", () -> x.clampMin(1).clampMax(3));
        OPERATIONS.put("floorDivide", () -> index.floorDivide(2));
        OPERATIONS.put("elementwise", () -> x.log().reciprocal().square());
        OPERATIONS.put(
                "comparison", () -> y.maskedFill(mask.lessThan(1).not(), 3).lessThan(y));
        OPERATIONS.put("sums", () -> {
            x.sum();
            x.sum(1);
            x.mean();
            x.mean(1);
            x.amax(1);
            x.argmax(1);
            x.cumulativeSum(0);
        });
        OPERATIONS.put("norm", x::norm);
        OPERATIONS.put("allFinite", y::allFinite);
        OPERATIONS.put("argsortStable", () -> index.argsortStable(0, false));
        OPERATIONS.put("products", () -> {
            x.matmul(y);
            x.emptyLike().setToProduct(y, y).addProductInPlace(y, y);
            batch.emptyLike().setToBatchProduct(batch, batch).addBatchProductInPlace(batch, batch, 0.5);
        });
        OPERATIONS.put("selection", () -> {
            x.indexSelect(0, index).indexCopyInPlace(0, Tensor.arange(4, Device.CPU), y);
            y.gather(1, longs4()).scatterAddInPlace(1, longs4(), y);
        });
        OPERATIONS.put("softmax", () -> {
            y.softmax(1);
            y.logSoftmax(1);
            y.logSumExp(1);
        });
        OPERATIONS.put("views", () -> {
            y.view(16).reshape(4, 4).permute(1, 0).transpose(0, 1).t().narrow(0, 0, 2);
            y.select(0, 1).unsqueeze(0).squeeze(0).expand(2, 4).contiguous().copy();
        });
        OPERATIONS.put("reads", () -> {
            y.toFloats();
            y.sum().item();
            assertThat(y.device()).isEqualTo(Device.CPU);
        });
        OPERATIONS.put("dropoutMask", () -> new RandomKey(1).dropoutMask(y, 0.5, new long[] {0, 1, 2, 3}));
        OPERATIONS.put("fillNormal", () -> new RandomKey(1).fillNormal(y.emptyLike(), 1));
        OPERATIONS.put("figure", () -> DeferredScalars.of(y.sum(), INPUTS).value());
    }

    private static Tensor longs4() {
        return Tensor.full(1, DType.INT64, Device.CPU, 4, 4);
    }

    private static void ofNetworks() {
        Tensor x = floats(1, 4, 8);
        Tensor row = floats(1, 1, 8);
        Tensor weight = floats(0.5, 8, 8);
        Tensor vector = floats(0.5, 8);
        Tensor ids = longs(1, 2, 2);
        Tensor heads = floats(1, 1, 2, 4, 4);
        OPERATIONS.put("linear", () -> {
            Functions.linear(x, weight, vector);
            Functions.linear(x, weight);
            Functions.linear(row, weight, vector);
            Functions.linear(row, weight);
        });
        OPERATIONS.put("layerNorm", () -> {
            Functions.layerNorm(x, vector, vector, 1e-5);
            Tensor[] parts = Functions.layerNormWithStatistics(x, vector, vector, 1e-5);
            Functions.layerNormBackward(x, x, parts[1], parts[2], vector, vector);
        });
        OPERATIONS.put("softmaxBackward", () -> Functions.softmaxBackward(x, Functions.softmax(x, x.emptyLike())));
        OPERATIONS.put("activations", () -> {
            Functions.geluBackward(x, Functions.gelu(x, x.emptyLike()), x.emptyLike());
            Functions.reluBackward(x, Functions.relu(x, x.emptyLike()), x.emptyLike());
            Functions.expInPlace(x.copy());
        });
        OPERATIONS.put("embedding", () -> Functions.embeddingBackward(Functions.embedding(weight, ids), ids, 8));
        OPERATIONS.put("attention", () -> {
            Functions.causalAttention(heads, heads, heads, null);
            Functions.causalAttention(heads, heads, heads, Functions.causalMask(4, DType.FLOAT32, Device.CPU));
        });
        OPERATIONS.put("topk", () -> Functions.topk(x, 2));
        OPERATIONS.put("upperBound", () -> Functions.upperBound(vector, vector));
    }

    private static void ofUpdates() {
        Tensor values = floats(1, 8);
        Tensor first = floats(0, 8);
        Tensor second = floats(0, 8);
        Tensor gradient = floats(0.5, 8);
        Tensor step = floats(1, 1);
        Tensor divisor = floats(1, 1);
        OPERATIONS.put(
                "adamw",
                () -> Functions.adamw(values, gradient, first, second, step, 0.1, 0.9, 0.98, 0.01, 1e-8, divisor));
    }

    private static void ofSections() {
        PARAMETERS.add(
                "unit",
                List.of(Parameter.Spec.ofEqualParts(
                        "w", List.of(4L, 4L), List.of("w"), false, (part, _) -> part.fill(1), true)));
        PARAMETERS.initialize(new RandomKey(0));
        Parameter w = PARAMETERS.get("w");
        Tensor x = floats(1, 4, 4);
        Section derived = new Section.Autograd() {
            @Override
            public String name() {
                return "product";
            }

            @Override
            public List<Parameter> parameters() {
                return List.of(w);
            }

            @Override
            public Tensor[] forward(Tensor... inputs) {
                return new Tensor[] {inputs[0].matmul(w.tensor()).sum()};
            }
        };
        OPERATIONS.put("sections", () -> {
            PARAMETERS.startGradients();
            try (Tape tape = Tape.recording()) {
                tape.backward(tape.run(derived, tape.variable(x.copy())));
            }
            PARAMETERS.finishGradients();
            PARAMETERS.refresh();
        });
    }

    @ParameterizedTest
    @MethodSource("operations")
    void leavesNothing(String operation) {
        Runnable call = Objects.requireNonNull(OPERATIONS.get(operation));
        assertThat(slope(() -> {
                    try (Scope _ = Scope.open()) {
                        call.run();
                    }
                }))
                .isLessThan(MOST_BYTES_PER_CALL);
    }

    /** The measurement detects a leak of one scalar per call. */
    @Test
    void aForgottenTemporaryIsSeen() {
        assertThat(slope(() -> new Scalar(1.0))).isGreaterThan(MOST_BYTES_PER_CALL);
    }

    /**
     * The bytes that a call leaks. The JVM's compiler also allocates on this heap. If successive blocks of calls grow the heap
     * by the same amount, only the calls cause the growth.
     */
    private static double slope(Runnable call) {
        repeat(call);
        long last = NativeHeap.inUse().orElseThrow();
        long grown = Long.MIN_VALUE;
        int same = 0;
        for (int block = 0; block < MOST_BLOCKS; block++) {
            repeat(call);
            long now = NativeHeap.inUse().orElseThrow();
            same = now - last == grown ? same + 1 : 0;
            grown = now - last;
            last = now;
            if (same == ENOUGH) {
                return (double) grown / CALLS;
            }
        }
        throw new AssertionError("the heap did not settle within " + MOST_BLOCKS + " blocks of calls");
    }

    private static void repeat(Runnable call) {
        for (int i = 0; i < CALLS; i++) {
            call.run();
        }
    }
}
