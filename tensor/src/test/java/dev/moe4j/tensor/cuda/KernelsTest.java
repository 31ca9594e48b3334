package dev.moe4j.tensor.cuda;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.HostLauncher;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TensorException;
import dev.moe4j.tensor.TestDevices;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Compares each kernel with libtorch's operators. The same source runs on the CPU, compiled by a C++ compiler, and on a GPU if
 * the machine has one. The model's tests compare the routing kernels with the model's assignment.
 */
@Tag("device")
class KernelsTest {

    private static final List<DType> TYPES = List.of(DType.FLOAT32, DType.BFLOAT16);

    /** Kernels and their device. */
    private record Subject(Kernels kernels, Device device) {}

    private static Optional<Kernels> onHost = Optional.empty();

    @BeforeAll
    static void compile() {
        onHost = HostLauncher.kernels();
    }

    /** Such as with an NVRTC older than the GPU. */
    @Test
    void kernelsThatDoNotCompileGiveWayToLibtorch() {
        assertThat(Kernels.launcher(Device.CPU, () -> {
                    throw new TensorException("libnvrtc.so.12 does not compile kernels.cu for sm_120");
                }))
                .isEmpty();
    }

    private static Stream<DynamicTest> each(BiConsumer<Subject, DType> check) {
        return TYPES.stream()
                .flatMap(type -> Stream.of(
                        DynamicTest.dynamicTest(type + " on the CPU", () -> {
                            assumeTrue(onHost.isPresent(), "g++ is not installed");
                            run(new Subject(onHost.orElseThrow(), Device.CPU), type, check);
                        }),
                        DynamicTest.dynamicTest(type + " on a GPU", () -> {
                            Device gpu = TestDevices.cuda();
                            run(new Subject(Kernels.of(gpu).orElseThrow(), gpu), type, check);
                        })));
    }

    private static void run(Subject subject, DType type, BiConsumer<Subject, DType> check) {
        try (Scope _ = Scope.open()) {
            check.accept(subject, type);
        }
    }

    private static Tensor random(Subject on, long seed, DType type, long... shape) {
        Tensor values = Tensor.zeros(DType.FLOAT32, Device.CPU, shape);
        new RandomKey(seed).fillNormal(values, 2);
        return values.to(type).to(on.device());
    }

    /** The tolerance for the rounding of one result. */
    private static double bound(DType type) {
        return type == DType.FLOAT32 ? 2e-6 : 6e-3;
    }

    private static void assertClose(Tensor actual, Tensor exact, double bound) {
        Tensor a = actual.to(Device.CPU).to(DType.FLOAT64);
        Tensor b = exact.to(Device.CPU).to(DType.FLOAT64);
        assertThat(a.allFinite()).isTrue();
        assertThat(a.sub(b).norm()).isLessThanOrEqualTo(bound * b.norm());
    }

    @TestFactory
    Stream<DynamicTest> softmaxLoss() {
        return each((on, type) -> {
            for (long columns : new long[] {8, 264, 4104}) {
                Tensor logits = random(on, columns, type, 5, columns);
                Tensor target = Tensor.of(0L, columns - 1, 3, 7, 5).to(on.device());
                Tensor loss = Tensor.zeros(DType.FLOAT32, on.device(), 5);
                Tensor wide = logits.to(DType.FLOAT64);
                Tensor index = target.unsqueeze(1);
                Tensor exact = wide.logSumExp(1).sub(wide.gather(1, index).squeeze(1));
                Tensor minusOne = Tensor.full(-1, DType.FLOAT64, on.device(), 5, 1);
                Tensor gradient = wide.softmax(1).scatterAddInPlace(1, index, minusOne);
                Tensor given = logits.copy();
                on.kernels().softmaxLoss(logits, target, loss, false);
                assertClose(loss, exact, 1e-5);
                assertThat(logits.toDoubles()).isEqualTo(given.toDoubles());
                on.kernels().softmaxLoss(logits, target, loss.zero(), true);
                assertClose(loss, exact, 1e-5);
                assertClose(logits, gradient, bound(type));
            }
        });
    }

    /** Tokens 0 and 2 have a dropped choice, whose row belongs to another token. Rows 3 and 5 are empty and hold NaN. */
    @TestFactory
    Stream<DynamicTest> combine() {
        return each((on, type) -> {
            long[] rowOf = {0, 0, 1, 4, 2, 0};
            long[] choiceOf = {0, 2, 4, 0, 3, 0};
            Tensor filled = Tensor.of(1.0, 1, 1, 0, 1, 0).to(type).to(on.device());
            Tensor weights =
                    Tensor.of(0.25f, 0, 0.5f, 0.75f, 1.5f, 0).view(3, 2).to(on.device());
            long columns = 24;
            Tensor residual = random(on, 1, type, 3, columns);
            Tensor outputs = random(on, 2, type, 6, columns);
            Tensor gradient = random(on, 3, type, 3, columns);
            outputs.select(0, 3).fill(Double.NaN);
            outputs.select(0, 5).fill(Double.NaN);

            Tensor chosen = outputs.to(DType.FLOAT64)
                    .indexSelect(0, Tensor.of(rowOf).to(on.device()))
                    .view(3, 2, columns);
            Tensor w = weights.to(DType.FLOAT64).unsqueeze(2);
            Tensor exact = residual.to(DType.FLOAT64).add(chosen.mul(w).sum(1));
            Tensor rows = Tensor.of(rowOf).to(on.device());
            assertClose(on.kernels().combine(residual, outputs, weights, rows), exact, bound(type));

            Tensor[] got = on.kernels()
                    .combineBackward(
                            gradient, outputs, weights, Tensor.of(choiceOf).to(on.device()), filled);
            Tensor g = gradient.to(DType.FLOAT64).unsqueeze(1);
            Tensor kept = weights.lessThan(1e-9).not().to(DType.FLOAT64);
            assertClose(got[1], chosen.mul(g).sum(2).mul(kept), bound(type));
            Tensor byChoice = w.mul(g).view(6, columns);
            Tensor exactRows = byChoice.indexSelect(0, Tensor.of(choiceOf).to(on.device()))
                    .mul(filled.to(DType.FLOAT64).unsqueeze(1));
            assertClose(got[0], exactRows, bound(type));
            assertThat(got[0].select(0, 5).toDoubles()).containsOnly(0.0);
        });
    }

    /** The second expert has zero rows. The rows after the last end hold NaN and must not change. */
    @TestFactory
    Stream<DynamicTest> biasAndGelu() {
        return each((on, type) -> {
            long columns = 40;
            Tensor expertOf = Tensor.of(0L, 0, 2, 2, 2, 2).to(on.device());
            Tensor ends = Tensor.of(2, 2, 4).to(on.device());
            Tensor bias = random(on, 1, type, 3, columns);
            Tensor x = random(on, 2, type, 6, columns);
            Tensor gradient = random(on, 3, type, 6, columns);
            x.narrow(0, 4, 2).fill(Double.NaN);
            gradient.narrow(0, 4, 2).fill(Double.NaN);
            Tensor inner = x.add(bias.indexSelect(0, expertOf));
            Tensor active = on.kernels().biasGelu(x, bias, expertOf, ends);
            assertThat(x.toDoubles()).isEqualTo(inner.toDoubles());
            Tensor inner64 = inner.to(DType.FLOAT64);
            assertClose(
                    active.narrow(0, 0, 4),
                    Functions.gelu(
                            inner64.narrow(0, 0, 4), inner64.narrow(0, 0, 4).emptyLike()),
                    bound(type));
            Tensor exact = Functions.geluBackward(gradient.to(DType.FLOAT64), inner64, inner64.emptyLike());
            on.kernels().geluBackward(gradient, inner, ends);
            assertClose(gradient.narrow(0, 0, 4), exact.narrow(0, 0, 4), bound(type));
            assertThat(gradient.narrow(0, 4, 2).toDoubles()).containsOnly(Double.NaN);
        });
    }

    /** Blocks have different numbers of rows. The sum overwrites the branch, or goes to a new tensor. */
    @TestFactory
    Stream<DynamicTest> addAndNorm() {
        return each((on, type) -> {
            for (long[] shape : new long[][] {{1, 8}, {5, 24}, {3, 2304}, {600, 8}}) {
                long columns = shape[1];
                Tensor residual = random(on, 1, type, shape);
                Tensor branch = random(on, 2, type, shape);
                Tensor weight = random(on, 3, type, columns);
                Tensor bias = random(on, 4, type, columns);
                Tensor sum = residual.add(branch);
                Tensor wide = sum.to(DType.FLOAT64);
                Tensor wideWeight = weight.to(DType.FLOAT64);
                Tensor[] exact = Functions.layerNormWithStatistics(wide, wideWeight, bias.to(DType.FLOAT64), 1e-5);

                Tensor apart = residual.emptyLike();
                Tensor[] normed = on.kernels().addNorm(residual, branch, weight, bias, 1e-5, apart);
                assertNorm(normed, exact, bound(type));
                assertThat(apart.toDoubles()).isEqualTo(sum.toDoubles());
                assertNorm(on.kernels().addNorm(residual, branch, weight, bias, 1e-5, branch), exact, bound(type));
                assertThat(branch.toDoubles()).isEqualTo(sum.toDoubles());

                Tensor direct = random(on, 5, type, shape);
                Tensor through = random(on, 6, type, shape);
                Tensor[] wanted = Functions.layerNormBackward(
                        through.to(DType.FLOAT64), wide, exact[1], exact[2], wideWeight, bias.to(DType.FLOAT64));
                Tensor[] alone = on.kernels().addNormBackward(null, through, sum, normed[1], weight);
                assertClose(alone[0], wanted[0], bound(type));
                Tensor[] got = on.kernels().addNormBackward(direct, through, sum, normed[1], weight);
                assertClose(got[0], wanted[0].add(direct.to(DType.FLOAT64)), bound(type));
                for (int of = 1; of <= 2; of++) {
                    assertClose(got[of], wanted[of], 2e-6);
                    assertThat(got[of].toDoubles()).isEqualTo(alone[of].toDoubles());
                }
            }
        });
    }

    private static void assertNorm(Tensor[] actual, Tensor[] exact, double bound) {
        assertClose(actual[0], exact[0], bound);
        assertClose(actual[1].select(1, 0), exact[1].squeeze(1), 2e-6);
        assertClose(actual[1].select(1, 1), exact[2].squeeze(1), 2e-6);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        assumeTrue(onHost.isPresent(), "g++ is not installed");
        try (Scope _ = Scope.open()) {
            Tensor odd = Tensor.zeros(DType.BFLOAT16, Device.CPU, 4, 12);
            Tensor wide = Tensor.zeros(DType.FLOAT32, Device.CPU, 12, 16);
            assertThat(Kernels.supports(DType.BFLOAT16, 12)).isFalse();
            assertThat(Kernels.takesNorm(DType.BFLOAT16, 6128)).isTrue();
            assertThat(Kernels.takesNorm(DType.BFLOAT16, 6136)).isFalse();
            Tensor row = Tensor.zeros(DType.BFLOAT16, Device.CPU, 1, 6136);
            assertThatThrownBy(() -> onHost.orElseThrow().addNormBackward(row, row, row, row, row))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("addNormBackward: the rows of");
            assertThatThrownBy(() -> onHost.orElseThrow().geluBackward(odd, odd, Tensor.of(4)))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("multiple of 16 bytes");
            assertThatThrownBy(() -> onHost.orElseThrow().geluBackward(wide, wide.t(), Tensor.of(4)))
                    .isInstanceOf(TensorException.class)
                    .hasMessageContaining("contiguous");
        }
    }

    /** The parameters of each kernel as launched: addresses and longs are u64, ints are u32. */
    private static final Map<String, String> PARAMETERS = Map.ofEntries(
            Map.entry("softmaxLoss_bfloat16", "u64 u64 u64 u64 u32"),
            Map.entry("softmaxLoss_float32", "u64 u64 u64 u64 u32"),
            Map.entry("combine_bfloat16", "u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("combine_float32", "u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("combineBackward_bfloat16", "u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("combineBackward_float32", "u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("biasGelu_bfloat16", "u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("biasGelu_float32", "u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("geluBackward_bfloat16", "u64 u64 u64 u32 u64"),
            Map.entry("geluBackward_float32", "u64 u64 u64 u32 u64"),
            Map.entry("addNorm_bfloat16", "u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("addNorm_float32", "u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("addNormBackward_bfloat16", "u64 u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("addNormBackward_float32", "u64 u64 u64 u64 u64 u64 u64 u64 u32 u64"),
            Map.entry("routeHighest", "u64 u64 u64 u32 u32"),
            Map.entry("routeCount", "u64 u64 u64 u64 u32"),
            Map.entry("routeStarts", "u64 u64 u64 u32 u32 u32"),
            Map.entry("routeRows", "u64 u64 u64 u64 u64 u64 u32"),
            Map.entry("routePlace", "u64 u64 u64 u64 u64 u64 u64 u64 u32 u32"));

    /** NVIDIA's compiler, if installed, gives no warnings, and its entry points have the launched parameters. */
    @ParameterizedTest
    @ValueSource(strings = {"sm_80", "sm_90"})
    void nvccCompilesThem(String architecture, @TempDir Path folder) throws IOException, InterruptedException {
        Path source = Files.writeString(folder.resolve("kernels.cu"), Kernels.source());
        Path ptx = folder.resolve("kernels.ptx");
        Process nvcc;
        try {
            nvcc = new ProcessBuilder(
                            "nvcc",
                            "-std=c++17",
                            "-arch=" + architecture,
                            "-ptx",
                            source.toString(),
                            "-o",
                            ptx.toString())
                    .redirectErrorStream(true)
                    .start();
        } catch (IOException e) {
            assumeTrue(false, "no nvcc is here");
            throw e;
        }
        String messages = new String(nvcc.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(nvcc.waitFor()).as(messages).isZero();
        assertThat(messages).isEmpty();
        Map<String, String> entries = Pattern.compile("\\.entry (\\w+)\\((.*?)\\)", Pattern.DOTALL)
                .matcher(Files.readString(ptx))
                .results()
                .collect(Collectors.toMap(entry -> entry.group(1), entry -> parameters(entry.group(2))));
        assertThat(entries).isEqualTo(PARAMETERS);
    }

    private static String parameters(String declaration) {
        return Pattern.compile("\\.param \\.(\\w+)")
                .matcher(declaration)
                .results()
                .map(parameter -> parameter.group(1))
                .collect(Collectors.joining(" "));
    }

    /** NVRTC works without a GPU, but is rarely installed without one. */
    @Test
    void compilesForEveryArchitecture() {
        Optional<Nvrtc> compiler = Nvrtc.find();
        assumeTrue(compiler.isPresent(), "no libnvrtc is here");
        for (String architecture : List.of("sm_80", "sm_90", "sm_100")) {
            byte[] code = compiler.orElseThrow().compile(Kernels.source(), "kernels.cu", architecture);
            String text = new String(code, StandardCharsets.ISO_8859_1);
            assertThat(text).contains("softmaxLoss_bfloat16", "combineBackward_float32", "routePlace");
        }
        assertThatThrownBy(() -> compiler.orElseThrow().compile("int x = ;", "wrong.cu", "sm_90"))
                .isInstanceOf(TensorException.class)
                .hasMessageContaining("wrong.cu")
                .hasMessageContaining("expected an expression");
    }

    @Test
    void thereAreNoneOnTheCpu() {
        assertThat(Kernels.of(Device.CPU)).isEmpty();
    }
}
