package dev.moe4j.model.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.model.Difference;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.Logits;
import dev.moe4j.model.expert.ExpertProducts;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.HostLauncher;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;

/** The device's assignment equals the host's. */
@Tag("device")
class DeviceAssignmentTest {

    private static final int WIDTH = 16;
    private static final int EXPERTS = 5;

    private static Optional<Kernels> onHost = Optional.empty();

    @BeforeAll
    static void compile() {
        onHost = HostLauncher.kernels();
    }

    /**
     * One router's logits.
     *
     * @param levels the number of distinct logits; few levels cause many ties
     * @param empty experts whose logits are −∞
     */
    private record Trial(int tokens, int topK, int levels, int empty, boolean padded) {

        double[] logits() {
            SplittableRandom random = new SplittableRandom(hashCode());
            double[] logits = new double[tokens * EXPERTS];
            Arrays.setAll(
                    logits, i -> (i % EXPERTS < empty ? Double.NEGATIVE_INFINITY : 0) + random.nextInt(levels) / 8.0);
            return logits;
        }

        boolean @Nullable [] padding() {
            if (!padded) {
                return null;
            }
            SplittableRandom random = new SplittableRandom(tokens);
            boolean[] flags = new boolean[tokens];
            for (int i = 0; i < flags.length; i++) {
                flags[i] = random.nextInt(3) == 0;
            }
            flags[0] = true; // the token that empty rows repeat may be padding
            return flags;
        }

        Assignment onHost() {
            return new Routing.Dropless(topK)
                    .assign(new Routing.Request(
                            Logits.of(logits(), EXPERTS),
                            () -> new double[0],
                            1,
                            padding(),
                            true,
                            Routing.Noise.of(new RandomKey(1), new long[1])));
        }

        DeviceAssignment onDevice(Tape tape, Device device, @Nullable Kernels kernels) {
            boolean[] padding = padding();
            return DeviceAssignment.of(
                    Tensor.of(logits()).view(tokens, EXPERTS).to(DType.FLOAT32).to(device),
                    topK,
                    padding == null ? null : Functions.mask(padding, DType.BOOL, device),
                    tape,
                    kernels);
        }
    }

    /** The device's kernels; on the CPU, their source compiled for it. */
    private static Kernels kernels(Device device) {
        if (device.isCuda()) {
            return Kernels.of(device).orElseThrow();
        }
        assumeTrue(onHost.isPresent(), "no C++ compiler, g++, is here");
        return onHost.orElseThrow();
    }

    private static Stream<Trial> trials() {
        return Stream.of(
                new Trial(1, 1, 100, 0, false),
                new Trial(64, 1, 100, 0, false),
                new Trial(150, 1, 2, 0, true),
                new Trial(150, 2, 100, 0, false),
                new Trial(150, 2, 3, 2, true),
                new Trial(33, 3, 1, 0, true),
                new Trial(700, 2, 4, 1, true),
                new Trial(1, 1, 9, 4, true),
                new Trial(40, 3, 2, 4, false),
                new Trial(3, 2, 1, 5, true));
    }

    @TestFactory
    Stream<DynamicContainer> equalsTheHosts() {
        return TestDevices.all(device -> trials(device, null));
    }

    @TestFactory
    Stream<DynamicContainer> equalsTheHostsByKernels() {
        return TestDevices.all(device -> trials(device, kernels(device)));
    }

    private static Stream<DynamicTest> trials(Device device, @Nullable Kernels kernels) {
        return trials().map(trial -> DynamicTest.dynamicTest(trial.toString(), () -> {
            try (Scope _ = Scope.open();
                    Tape tape = Tape.inference()) {
                check(trial.onHost(), trial.onDevice(tape, device, kernels));
            }
        }));
    }

    private static void check(Assignment host, DeviceAssignment device) {
        AssignedRows rowsOfHost = new AssignedRows(host, AssignedRows::rounded);
        assertThat(device.experts_TK().toLongs()).isEqualTo(host.expertOf());
        assertThat(flags(device.kept_TK())).isEqualTo(host.kept());
        long[] ends = device.ends_E().toLongs();
        long[] rowOf = device.rowOf_C().toLongs();
        long[] choiceOf = device.choiceOf_R().toLongs();
        boolean[] filled = flags(device.filled_R());
        long[] expertOf = device.expertOf_R().toLongs();
        long[] counts = device.counts_E().toLongs();
        assertThat((long) filled.length).isGreaterThanOrEqualTo(ends[EXPERTS - 1]);
        int start = 0;
        for (int e = 0; e < EXPERTS; e++) {
            int rows = Math.max(AssignedRows.MULTIPLE, rowsOfHost.size(e));
            if (host.count(e) > 0) {
                assertThat(rows).isEqualTo(rowsOfHost.size(e));
            }
            assertThat(ends[e]).isEqualTo(start + rows);
            assertThat(counts[e]).isEqualTo(host.count(e));
            for (int i = 0; i < rows; i++) {
                boolean holds = i < host.count(e);
                assertThat(filled[start + i]).isEqualTo(holds);
                assertThat(choiceOf[start + i]).isEqualTo(holds ? rowsOfHost.choiceOf()[rowsOfHost.start(e) + i] : 0);
                assertThat(expertOf[start + i]).isEqualTo(e);
                if (holds) {
                    assertThat(rowOf[(int) choiceOf[start + i]]).isEqualTo(start + i);
                }
            }
            start += rows;
        }
        for (int row = start; row < filled.length; row++) {
            assertThat(filled[row]).isFalse();
            assertThat(choiceOf[row]).isZero();
            assertThat(expertOf[row]).isLessThan(EXPERTS);
        }
        for (int choice = 0; choice < rowOf.length; choice++) {
            if (!host.kept()[choice]) {
                assertThat(rowOf[choice]).isZero();
            }
        }
        assertThat(device.tokenOf_R().toLongs())
                .isEqualTo(Arrays.stream(choiceOf)
                        .map(choice -> choice / host.topK())
                        .toArray());
    }

    private static boolean[] flags(Tensor tensor) {
        long[] values = tensor.toLongs();
        boolean[] flags = new boolean[values.length];
        for (int i = 0; i < flags.length; i++) {
            flags[i] = values[i] != 0;
        }
        return flags;
    }

    /** NaN in rows after the last expert has no effect. */
    @TestFactory
    Stream<DynamicTest> nothingPastTheLastEndIsRead() {
        return TestDevices.each(DeviceAssignmentTest::checkTails);
    }

    private static void checkTails(Device device) {
        try (Scope _ = Scope.open();
                Parameters parameters = parameters(device)) {
            Tensor ends_E = Tensor.of(32, 64, 128, 160, 192).to(device);
            Tensor expertOf_R = Tensor.of(LongStream.range(0, 256)
                            .map(row -> row < 64 ? row / 32 : Math.clamp(row / 32 - 1, 2, 4))
                            .toArray())
                    .to(device);
            List<double[]> clean = results(parameters, ends_E, expertOf_R, 0);
            List<double[]> poisoned = results(parameters, ends_E, expertOf_R, Double.NaN);
            assertThat(poisoned).hasSize(6).usingRecursiveComparison().isEqualTo(clean);
            assertThat(clean)
                    .allSatisfy(values ->
                            assertThat(Arrays.stream(values).sum()).isNotZero().isFinite());
        }
    }

    private static List<double[]> results(Parameters parameters, Tensor ends_E, Tensor expertOf_R, double tail) {
        Device device = ends_E.device();
        ExpertProducts products = new ExpertProducts.OnDevice(
                ends_E, expertOf_R, Kernels.of(device).orElse(null));
        Parameter weight = parameters.get("weight");
        Parameter bias = parameters.get("bias");
        Tensor x = rows(1, tail).to(device);
        Tensor gradient = rows(2, tail).to(device);
        parameters.startGradients();
        Tensor y = products.forward(x, weight.tensor());
        Tensor biased = y.copy();
        products.addBias(biased, bias.tensor());
        Tensor dx = products.backward(gradient, weight.tensor());
        products.weightGradient(gradient, x, weight);
        products.biasGradient(gradient, bias);
        parameters.finishGradients();
        Tensor sums = gradient.narrow(0, 64, 64).sum(0).sub(bias.gradient().select(0, 2));
        assertThat(sums.norm()).isLessThan(1e-2 * bias.gradient().select(0, 2).norm());
        return List.of(
                y.narrow(0, 0, 192).toDoubles(),
                biased.narrow(0, 0, 192).toDoubles(),
                biased.sub(y).narrow(0, 0, 192).toDoubles(),
                dx.narrow(0, 0, 192).toDoubles(),
                weight.gradient().toDoubles(),
                bias.gradient().toDoubles());
    }

    private static Tensor rows(long seed, double tail) {
        Tensor rows = Tensor.zeros(DType.FLOAT32, Device.CPU, 256, WIDTH);
        new RandomKey(seed).fillNormal(rows, 1);
        rows.narrow(0, 192, 64).fill(tail);
        return rows.to(DType.BFLOAT16);
    }

    private static Parameters parameters(Device device) {
        Parameters parameters = new Parameters(Precision.BF16, device);
        Parameter.Initialization normal = (part, key) -> key.fillNormal(part, 1);
        parameters.add(
                "experts",
                List.of(
                        Parameter.Spec.ofEqualParts("weight", List.of(5L, 16L, 16L), names("w"), true, normal, true),
                        Parameter.Spec.ofEqualParts("bias", List.of(5L, 16L), names("b"), true, normal, false)));
        parameters.initialize(new RandomKey(9));
        return parameters;
    }

    private static List<String> names(String prefix) {
        return IntStream.range(0, EXPERTS).mapToObj(e -> prefix + e).toList();
    }

    /** A model's losses are bitwise equal, and its gradients equal up to the rounding of sums. */
    @TestFactory
    Stream<DynamicTest> modelsComputeTheSame() {
        return Stream.of(0.0, 0.1)
                .flatMap(dropout -> Stream.of(Recompute.values())
                        .map(recompute -> DynamicTest.dynamicTest("dropout " + dropout + " " + recompute, () -> {
                            Map<String, double[]> wanted =
                                    gradients(Device.CPU, dropout, Recompute.NONE, Precision.BF16, model -> {});
                            Map<String, double[]> got = gradients(
                                    Device.CPU, dropout, recompute, Precision.BF16, model -> model.routeOnDevice(true));
                            assertThat(got.keySet()).isEqualTo(wanted.keySet());
                            assertThat(got.remove("nll")).isEqualTo(wanted.remove("nll"));
                            assertThat(got.remove("routing")).isEqualTo(wanted.remove("routing"));
                            wanted.forEach((name, gradient) -> assertThat(
                                            Difference.relative(Objects.requireNonNull(got.get(name)), gradient))
                                    .as(name)
                                    .isLessThan(0.02));
                        })));
    }

    /** With kernels, which round less often in bfloat16. */
    @TestFactory
    Stream<DynamicContainer> modelsComputeTheSameByKernels() {
        return TestDevices.all(device -> Arrays.stream(Recompute.values())
                .flatMap(recompute -> Stream.of(
                        DynamicTest.dynamicTest("bf16, routed on the device, " + recompute, () -> {
                            checkKernels(device, Precision.BF16, recompute, true, 4e-3, 0.03);
                        }),
                        DynamicTest.dynamicTest("bf16, routed by the host, " + recompute, () -> {
                            checkKernels(device, Precision.BF16, recompute, false, 4e-3, 0.03);
                        }),
                        DynamicTest.dynamicTest("fp32, routed by the host, " + recompute, () -> {
                            checkKernels(device, Precision.FP32, recompute, false, 1e-6, 1e-5);
                        }))));
    }

    private static void checkKernels(
            Device device,
            Precision precision,
            Recompute recompute,
            boolean onDevice,
            double lossBound,
            double gradientBound) {
        Kernels kernels = kernels(device);
        Map<String, double[]> wanted = gradients(device, 0, Recompute.NONE, precision, model -> {
            model.routeOnDevice(false);
            model.useKernels(null);
        });
        Map<String, double[]> got = gradients(device, 0, recompute, precision, model -> {
            model.routeOnDevice(onDevice);
            model.useKernels(kernels);
        });
        got.remove("routing");
        wanted.remove("routing");
        assertThat(got.keySet()).isEqualTo(wanted.keySet());
        assertThat(Difference.relative(
                        Objects.requireNonNull(got.remove("nll")), Objects.requireNonNull(wanted.remove("nll"))))
                .isLessThan(lossBound);
        // Over all parameters together, because a small parameter's gradient may be a sum of few terms that cancel.
        assertThat(Difference.relative(all(got), all(wanted))).isLessThan(gradientBound);
    }

    private static double[] all(Map<String, double[]> gradients) {
        return gradients.values().stream().flatMapToDouble(Arrays::stream).toArray();
    }

    private static Map<String, double[]> gradients(
            Device device, double dropout, Recompute recompute, Precision precision, Consumer<LanguageModel> setting) {
        Architecture architecture =
                new Architecture(TinyModels.mixture(16, 12, 1, dropout), TinyModels.dropless(2), BalanceConfig.DEFAULT);
        TokenBatch batch = TinyModels.padded(TinyModels.batch(
                5, 3, architecture.model().context(), architecture.model().vocabulary()));
        Map<String, double[]> results = new LinkedHashMap<>();
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, device, new RandomKey(1))) {
            setting.accept(model);
            model.recompute(recompute);
            for (int step = 0; step < 2; step++) {
                model.parameters().startGradients();
                try (Scope _ = Scope.open();
                        Tape tape = Tape.recording()) {
                    PassContext pass = new PassContext(true, 0.1, new RandomKey(step), new long[] {4, 0, 7});
                    LossReport report = model.loss(tape, batch, pass);
                    results.put("nll", report.nll().tensor().toDoubles());
                    results.put(
                            "routing",
                            report.routing().stream()
                                    .flatMapToDouble(DeviceAssignmentTest::numbers)
                                    .toArray());
                    tape.backward(report.roots().toArray(Value[]::new));
                }
                model.parameters().finishGradients();
                model.balanceTracker().endStep();
            }
            for (Parameter parameter : model.parameters().all()) {
                results.put(parameter.name(), parameter.gradient().toDoubles());
            }
        }
        return results;
    }

    private static DoubleStream numbers(LayerRouting layer) {
        RoutingCounts counts = layer.counts();
        return Stream.of(
                        new double[] {layer.balance(), layer.entropy(), counts.tokens()},
                        layer.firstChoices(),
                        Arrays.stream(counts.chosen())
                                .flatMapToDouble(Arrays::stream)
                                .toArray(),
                        counts.wanted(),
                        counts.dropped(),
                        counts.kept())
                .flatMapToDouble(Arrays::stream);
    }
}
