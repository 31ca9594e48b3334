package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.Unit;
import dev.moe4j.tensor.Value;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MemoryTest {

    /** Overrides of a preset, as the command line has them. */
    private static Architecture architecture(String preset, String overrides) {
        List<String> list = overrides.isEmpty() ? List.of() : List.of(overrides.split(" "));
        return ConfigReader.read(Presets.architecture(preset), null, list);
    }

    private static long bytes(Tensor tensor) {
        return tensor.elements() * tensor.dtype().bytes();
    }

    @ParameterizedTest
    @CsvSource({"cpu-tiny-moe, BF16", "cpu-tiny-dense, FP32", "cpu-moe8, BF16", "quickstart-moe, FP64"})
    void parametersTakeWhatIsPredicted(String preset, String name) {
        Precision precision = Precision.parse(name);
        Architecture architecture = architecture(preset, "");
        Memory memory = Memory.of(architecture, precision, new Memory.Load(1, 1, false, Recompute.NONE));
        long weights = 0;
        long gradients = 0;
        long optimizer = 0;
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
            for (Unit unit : model.parameters().units()) {
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

    /** The most that a forward and a backward pass hold at a time, over what is there before. */
    @ParameterizedTest
    @CsvSource({
        "cpu-tiny-dense, BF16, 64, ''",
        "cpu-dense, FP32, 4, 'model.context=320 model.dropout=0.1'",
        "cpu-dense, BF16, 2, 'model.context=640'",
        "cpu-moe8, BF16, 4, 'model.dropout=0.1 model.attention_dropout=0.1'",
        "cpu-moe8, BF16, 4, 'model.activation=relu model.shared_experts=1'",
        "cpu-moe32, BF16, 4, 'routing.top_k=1'",
        "quickstart-moe, FP32, 16, 'routing.strategy=capacity routing.capacity_factor=4'",
    })
    @EnabledOnOs(OS.LINUX)
    void aStepTakesWhatIsPredicted(String preset, String name, int sequences, String overrides) {
        Precision precision = Precision.parse(name);
        Architecture architecture = architecture(preset, overrides);
        ModelConfig config = architecture.model();
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
            TokenBatch batch = TinyModels.batch(1, sequences, config.context(), config.vocabulary());
            for (Recompute recompute : Recompute.values()) {
                model.recompute(recompute);
                // The median, since the JVM's compiler allocates beside it.
                long[] measured = IntStream.range(0, 3)
                        .mapToLong(_ -> Malloc.peak(() -> step(model, batch)))
                        .sorted()
                        .toArray();
                Memory memory = Memory.of(architecture, precision, new Memory.Load(sequences, 1, false, recompute));
                double mask = (double) config.context()
                        * config.context()
                        * precision.compute().bytes();
                double predicted = memory.activations() + memory.working() + mask;
                assertThat(predicted / measured[1]).as(recompute.toString()).isCloseTo(1, within(0.1));
            }
        }
    }

    private static void step(LanguageModel model, TokenBatch batch) {
        long[] numbers = LongStream.range(0, batch.sequences()).toArray();
        Pass pass = new Pass(true, 1.0 / batch.predicted(), new RandomKey(2), numbers);
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                Tape tape = Tape.recording()) {
            tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
        }
    }

    /** Of experts that devices share each has a part; of everything else the whole. */
    @Test
    void expertsAreSharedOut() {
        Architecture moe = Presets.architecture("moe-15b");
        Memory one = Memory.of(moe, Precision.BF16, new Memory.Load(8, 1, true, Recompute.NONE));
        Memory eight = Memory.of(moe, Precision.BF16, new Memory.Load(8, 8, true, Recompute.NONE));
        long experts = ParameterCounts.of(moe).experts().total();
        assertThat((double) one.weights() - eight.weights()).isCloseTo(4.0 * experts * 7 / 8, within(1e-3 * experts));
        // Fewer experts round up fewer rows.
        assertThat((double) eight.activations() / one.activations()).isBetween(0.9, 1.0);
    }
}
