package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The GPU computes the same results as the CPU. Skipped on machines without a GPU. */
@Tag("device")
class CudaTest {

    private static final int STEPS = 50;

    private Device cuda = Device.CPU;

    @BeforeEach
    void needsOne() {
        cuda = TestDevices.cuda();
    }

    /** The mean difference of the losses. The first losses are closer, before differences grow. */
    @ParameterizedTest
    @CsvSource({"0, fp32, 1e-5, 1e-3", "4, fp32, 1e-5, 5e-3", "0, bf16, 5e-3, 2e-2", "4, bf16, 5e-3, 2e-2"})
    void lossesAreThoseOfTheCpu(int experts, String precision, double first, double mean) {
        List<Double> wanted = losses(experts, precision, Device.CPU);
        List<Double> got = losses(experts, precision, cuda);
        double sum = 0;
        for (int i = 0; i < STEPS; i++) {
            sum += Math.abs(got.get(i) - wanted.get(i));
        }
        assertThat(got.getFirst()).isCloseTo(wanted.getFirst(), within(first * wanted.getFirst()));
        assertThat(sum / STEPS).isLessThan(mean);
        assertThat(got.getLast()).isLessThan(got.getFirst());
    }

    private static List<Double> losses(int experts, String precision, Device device) {
        try (LanguageModel model = model(experts, precision, device)) {
            Trainer trainer = trainer(model);
            List<Double> losses = new ArrayList<>();
            for (int step = 0; step < STEPS; step++) {
                losses.add(trainer.step().loss());
            }
            return losses;
        }
    }

    /** Every section reports a time forward and backward, by events. */
    @Test
    void sectionsAreTimed() {
        try (LanguageModel model = model(4, "bf16", cuda)) {
            Map<String, Long> times = new LinkedHashMap<>();
            Trainer trainer = trainer(model);
            trainer.time(new Tape.Timer() {
                @Override
                public void forward(String section, long nanoseconds) {
                    times.put(section + " forward", nanoseconds);
                }

                @Override
                public void backward(String section, long nanoseconds) {
                    times.put(section + " backward", nanoseconds);
                }
            });
            trainer.step();
            assertThat(times).containsKeys("layers.1.experts forward", "layers.1.experts backward", "head forward");
            assertThat(times.values()).allSatisfy(time -> assertThat(time).isPositive());
        }
    }

    /** The layout law for one process: micro-batches and activation recomputation change nothing on a GPU either. */
    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void nothingDependsOnTheDivision(boolean capacity, boolean dropout) {
        LayoutLawTest.Subject subject = new LayoutLawTest.Subject(capacity, dropout, 4);
        Map<Integer, LayoutLawTest.Run> references = new LinkedHashMap<>();
        for (LayoutLawTest.Division way : LayoutLawTest.WAYS) {
            LayoutLawTest.Run run = LayoutLawTest.run(subject, way, Precision.FP32, cuda);
            LayoutLawTest.Run first = references.computeIfAbsent(way.accumulation(), _ -> run);
            LayoutLawTest.same(subject + ", " + way + " on a GPU", run, first);
        }
        assertThat(references).hasSize(2);
    }

    /** Single precision is not rounded to TF32. */
    @Test
    void productsInFp32AreExact() {
        try (Scope _ = Scope.open()) {
            Tensor a = Tensor.zeros(DType.FLOAT32, Device.CPU, 256, 256);
            new RandomKey(1).fillNormal(a, 1);
            Tensor exact = a.to(DType.FLOAT64).matmul(a.to(DType.FLOAT64));
            Tensor got = a.to(cuda).matmul(a.to(cuda)).to(Device.CPU).to(DType.FLOAT64);
            assertThat(got.sub(exact).norm()).isLessThan(2e-6 * exact.norm());
        }
    }

    private static LanguageModel model(int experts, String precision, Device device) {
        ModelConfig config =
                new ModelConfig(2, 64, 2, 128, 64, 32, Activation.GELU, 0, 0, -1, experts, 2, experts > 0 ? 64 : 0, 0);
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.DROPLESS, 2, 1, 1, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        return LanguageModel.initialize(
                new Architecture(config, routing, BalanceConfig.DEFAULT),
                Precision.parse(precision),
                device,
                new RandomKey(3));
    }

    private static Trainer trainer(LanguageModel model) {
        return new Trainer(
                model,
                new BatchConfig(8, 1),
                OptimizerConfig.DEFAULT,
                ScheduleConfig.constant(5),
                (number, tokens) -> {
                    for (int i = 0; i < tokens.length; i++) {
                        tokens[i] = (int) ((number * 7 + i) % 60);
                    }
                },
                1,
                1000);
    }
}
