package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.Golden;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.PublishedModel;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.config.UpdateConvention;
import dev.moe4j.train.metrics.StepResult;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * A complete published run on real text. Both programs agree closely until rounding flips a routing decision. From then
 * on only means are comparable.
 */
@Tag("device")
class TrainLongGoldenTest {

    /** The number of updates in which the curves must agree step by step, relatively within {@link #CLOSE}. */
    private static final int TOGETHER = 40;

    private static final double CLOSE = 1e-4;

    /** The number of final updates whose mean loss must agree within {@link #DRIFT} nats. */
    private static final int LAST = 50;

    private static final double DRIFT = 0.03;

    @TestFactory
    Stream<DynamicContainer> trainLong() {
        return TestDevices.all(device ->
                Golden.tests("train_long", golden -> PublishedRun.onOneThread(() -> check(golden, device))));
    }

    @AfterAll
    static void printDifferences() {
        PublishedRun.print("train_long");
    }

    private static void check(Golden.Case golden, Device device) {
        JsonNode config = golden.familyJson().path("config");
        JsonNode rows = golden.json();
        int updates = rows.size();
        int[] shape = intShape(golden.tensors().shape("tokens"));
        int sequences = shape[0];
        int length = (shape[1] - 1) / updates;
        long[] text = golden.tensors().longs("tokens");
        Trainer.SequenceSource source = (number, tokens) -> {
            int from = (int) (number % sequences) * shape[1] + (int) (number / sequences) * length;
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = (int) text[from + i];
            }
        };
        double peak = config.path("lr").asDouble();
        OptimizerConfig adam = new OptimizerConfig(
                peak,
                0.9,
                0.98,
                1e-8,
                config.path("weight_decay").asDouble(),
                UpdateConvention.PUBLISHED,
                config.path("clip").asDouble());
        JsonNode warmup = JsonMapper.shared().createObjectNode().set("warmup_updates", config.path("warmup"));
        ScheduleConfig schedule =
                LrScheduleGoldenTest.published(config.path("schedule").asString(), peak, warmup);
        Architecture architecture = PublishedRun.architecture(golden, length, config);
        Precision precision = golden.name().equals("f64") ? Precision.FP64 : Precision.FP32;

        List<StepResult> results = new ArrayList<>();
        try (LanguageModel model = PublishedModel.load(architecture, golden.weights(), precision, device)) {
            Trainer trainer = new Trainer(model, new BatchConfig(sequences, 1), adam, schedule, source, 1, updates);
            for (JsonNode row : rows) {
                StepResult result = trainer.step();
                results.add(result);
                assertThat(result.learningRate()).isCloseTo(row.path("lr").asDouble(), within(1e-12 * peak));
                if (result.step() <= TOGETHER) {
                    checkTogether(golden.name(), architecture, result, row);
                }
            }
        }
        assertThat(lastMean(updates, i -> results.get(i).loss()))
                .isCloseTo(lastMean(updates, i -> rows.path(i).path("loss").asDouble()), within(DRIFT));
    }

    private static void checkTogether(String name, Architecture architecture, StepResult result, JsonNode row) {
        String kind = "train_long " + name + ", ";
        int step = row.path("step").asInt();
        assertThat(result.step()).isEqualTo(step);
        PublishedRun.close(kind + "loss", step, result.loss(), row.path("loss").asDouble(), CLOSE);
        PublishedRun.close(
                kind + "gate loss",
                step,
                PublishedRun.balance(architecture, result),
                row.path("gate_loss").asDouble(),
                CLOSE);
        PublishedRun.close(
                kind + "gradient norm",
                step,
                result.gradientNorm(),
                row.path("grad_norm").asDouble(),
                CLOSE);
    }

    private static double lastMean(int updates, IntToDoubleFunction loss) {
        return IntStream.range(Math.max(0, updates - LAST), updates)
                .mapToDouble(loss)
                .average()
                .orElseThrow();
    }

    private static int[] intShape(long[] shape) {
        return new int[] {(int) shape[0], (int) shape[1]};
    }
}
