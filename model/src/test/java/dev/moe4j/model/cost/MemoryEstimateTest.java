package dev.moe4j.model.cost;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.PeakMemory;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.FastProducts;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.ParameterGroup;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryEstimateTest {

    /** Overrides of a preset, in the command line's syntax. */
    private static Architecture architecture(String preset, String overrides) {
        List<String> list = overrides.isEmpty() ? List.of() : List.of(overrides.split(" "));
        return ConfigReader.read(Presets.architecture(preset), null, list);
    }

    private static long bytes(Tensor tensor) {
        return tensor.elements() * tensor.dtype().bytes();
    }

    @ParameterizedTest
    @CsvSource({
        "cpu-tiny-moe, BF16, ''",
        "cpu-tiny-dense, FP32, ''",
        "cpu-tiny-moe, BF16, 'model.positions=learned model.tied=false model.shared_experts=1'",
        "cpu-moe8, BF16, ''",
        "quickstart-moe, FP64, ''",
        "cpu-modern-moe8, BF16, 'model.attention.qk_norm=width model.shared_experts=1 model.shared.gated=true'"
    })
    void parameterMemoryMatchesEstimate(String preset, String name, String overrides) {
        Precision precision = Precision.parse(name);
        Architecture architecture = architecture(preset, overrides);
        MemoryEstimate memory =
                MemoryEstimate.of(architecture, precision, new MemoryEstimate.Load(1, 1, false, Recompute.NONE));
        long weights = 0;
        long gradients = 0;
        long optimizer = 0;
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
            for (ParameterGroup unit : model.parameters().units()) {
                weights += bytes(unit.master());
                gradients += bytes(unit.gradient());
                optimizer += bytes(unit.state("exp_avg")) + bytes(unit.state("exp_avg_sq"));
            }
            assertThat(ParameterCounts.of(architecture).total())
                    .isEqualTo(model.parameters().elements());
        }
        assertThat(memory.weights()).isEqualTo(weights);
        assertThat(memory.gradients()).isEqualTo(gradients);
        assertThat(memory.optimizer()).isEqualTo(optimizer);
        assertThat(memory.workingCopy() == 0).isEqualTo(precision.compute() == precision.master());
    }

    /** The measured peak of a forward and a backward pass, above the memory in use before. */
    @ParameterizedTest
    @CsvSource({
        "cpu-tiny-dense, BF16, 128, ''",
        "cpu-dense, FP32, 4, 'model.context=320 model.dropout=0.1'",
        "cpu-dense, BF16, 2, 'model.context=640'",
        "cpu-dense, FP32, 2, 'model.context=640'",
        "cpu-dense, BF16, 1, 'model.context=2048'",
        "cpu-moe8, BF16, 4, 'model.dropout=0.1 model.attention_dropout=0.1'",
        "cpu-moe8, BF16, 4, 'model.activation=relu model.shared_experts=1'",
        "cpu-moe32, BF16, 8, 'routing.top_k=1'",
        "cpu-moe8, BF16, 4, 'model.positions=learned model.tied=false model.shared_experts=2 model.activation_dropout=0.1'",
        "cpu-dense, FP32, 4, 'model.activation=relu model.activation_dropout=0.1'",
        "quickstart-moe, FP32, 16, 'routing.strategy=capacity routing.capacity_factor=4'",
        "cpu-modern-dense, FP32, 4, ''",
        "cpu-modern-dense, BF16, 2, 'model.context=640'",
        "cpu-modern-moe8, FP32, 4, ''",
        "cpu-modern-moe8, BF16, 4, 'model.shared_experts=1 model.dropout=0.1 model.activation_dropout=0.1'",
        "cpu-modern-moe32, FP32, 4, 'model.expert_every=1 model.attention.qk_norm=none'",
        "cpu-modern-moe8, FP32, 4, 'model.attention.head_width=32 model.attention_dropout=0.1'",
    })
    @EnabledOnOs(OS.LINUX)
    void stepPeakMatchesEstimate(String preset, String name, int sequences, String overrides) {
        Precision precision = Precision.parse(name);
        FastProducts.assumeInstructions(precision.compute());
        Architecture architecture = architecture(preset, overrides);
        ModelConfig config = architecture.model();
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
            TokenBatch batch = TinyModels.batch(1, sequences, config.context(), config.vocabulary());
            for (Recompute recompute : Recompute.values()) {
                model.recompute(recompute);
                long measured = PeakMemory.of(() -> step(model, batch));
                MemoryEstimate memory = MemoryEstimate.of(
                        architecture, precision, new MemoryEstimate.Load(sequences, 1, false, recompute));
                double predicted = memory.activations() + memory.working();
                assertThat(predicted / measured).as(recompute.toString()).isCloseTo(1, within(0.1));
            }
        }
    }

    private static void step(LanguageModel model, TokenBatch batch) {
        long[] numbers = LongStream.range(0, batch.sequences()).toArray();
        PassContext pass = new PassContext(true, 1.0 / batch.predicted(), new RandomKey(2), numbers);
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
        }
    }

    /** Under expert parallelism, each device has a part of the experts and all other parameters. */
    @Test
    void expertsArePartitioned() {
        Architecture moe = Presets.architecture("moe-15b");
        MemoryEstimate one =
                MemoryEstimate.of(moe, Precision.BF16, new MemoryEstimate.Load(8, 1, true, Recompute.NONE));
        MemoryEstimate eight =
                MemoryEstimate.of(moe, Precision.BF16, new MemoryEstimate.Load(8, 8, true, Recompute.NONE));
        long experts = ParameterCounts.of(moe).experts().total();
        assertThat((double) one.weights() - eight.weights()).isCloseTo(4.0 * experts * 7 / 8, within(1e-3 * experts));
        // Fewer experts round up fewer rows.
        assertThat((double) eight.activations() / one.activations()).isBetween(0.9, 1.0);
    }

    /** Sinusoidal positions are a table of {@code context + 2} rows; learned positions are weights. */
    @Test
    void learnedPositionsAreWeights() {
        MemoryEstimate.Load load = new MemoryEstimate.Load(1, 1, false, Recompute.NONE);
        MemoryEstimate sinusoidal = MemoryEstimate.of(architecture("cpu-dense", ""), Precision.BF16, load);
        MemoryEstimate learned =
                MemoryEstimate.of(architecture("cpu-dense", "model.positions=learned"), Precision.BF16, load);
        ModelConfig model = Presets.architecture("cpu-dense").model();
        long rows = model.context() + 2L;
        assertThat(sinusoidal.tables() - learned.tables()).isEqualTo(2 * rows * model.width());
        assertThat(learned.weights() - sinusoidal.weights()).isEqualTo(4 * rows * model.width());
    }

    /** Twice the places: half of them are empty, but all are sent, computed and kept. */
    @Test
    void emptyPlacesOfShardedExpertsCostAsMuchAsFilledOnes() {
        ModelConfig model = Presets.architecture("moe-15b").model();
        MemoryEstimate.Load load = new MemoryEstimate.Load(8, 8, true, Recompute.NONE);
        MemoryEstimate one = MemoryEstimate.of(architecture("moe-15b", ""), Precision.BF16, load);
        MemoryEstimate two =
                MemoryEstimate.of(architecture("moe-15b", "routing.capacity_factor=2"), Precision.BF16, load);
        long choices = 8L * model.context() * 2;
        assertThat(two.exchange() - one.exchange()).isEqualTo(2 * choices * model.width() * 2);
        assertThat(two.activations() - one.activations()).isEqualTo(choices * bytesOfRow(model) * model.moeLayers());
    }

    /** One block of 32 more rows per expert, whereas rounding adds half a block on average. */
    @Test
    void gpuRoutingHasMoreRows() {
        ModelConfig model = Presets.architecture("moe-15b").model();
        MemoryEstimate.Load load = new MemoryEstimate.Load(8, 1, true, Recompute.NONE);
        MemoryEstimate host = MemoryEstimate.of(architecture("moe-15b", ""), Precision.BF16, load);
        MemoryEstimate device =
                MemoryEstimate.of(architecture("moe-15b", "routing.strategy=dropless"), Precision.BF16, load);
        double more = 16.5 * model.experts();
        assertThat(device.activations() - host.activations())
                .isEqualTo(Math.round(more * bytesOfRow(model) * model.moeLayers()));
    }

    /** Two vectors of the model's width, two of the expert's, and the row's index. */
    private static long bytesOfRow(ModelConfig model) {
        return 2L * (2 * model.width() + 2 * model.expertFfn() + 1) + 2 * 8;
    }

    /** Top-2: a device sends each token's vector twice, and receives the same number. */
    @Test
    void shardedExpertsNeedExchangeBuffers() {
        Architecture moe = Presets.architecture("moe-15b");
        ModelConfig model = moe.model();
        assertThat(MemoryEstimate.of(moe, Precision.BF16, new MemoryEstimate.Load(8, 1, true, Recompute.NONE))
                        .exchange())
                .isZero();
        MemoryEstimate eight =
                MemoryEstimate.of(moe, Precision.BF16, new MemoryEstimate.Load(8, 8, true, Recompute.NONE));
        long tokens = 8L * model.context();
        assertThat(eight.exchange()).isEqualTo(2 * 2 * tokens * model.width() * 2);
        assertThat(eight.total() - eight.exchange())
                .isEqualTo(eight.weights()
                        + eight.gradients()
                        + eight.optimizer()
                        + eight.workingCopy()
                        + eight.tables()
                        + eight.activations()
                        + eight.working());
    }
}
