package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.model.Golden;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.PublishedModel;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.UpdateConvention;
import dev.moe4j.train.metrics.StepResult;
import java.util.Arrays;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Compares a few updates under each published recipe: losses, norms, overflow, and the final weights. */
@Tag("device")
class TrainMoeGoldenTest {

    private static final double FLOAT32 = 2e-5;
    private static final double FLOAT64 = 1e-9;

    /**
     * The published runs sum gradient norms over tensors and store them in float32, with an error of a few units in the
     * last place.
     */
    private static final double ROUNDED = 1e-6;

    /** Overflow is a percentage in float32. */
    private static final double LOGGED = 1e-5;

    /** The published final weights of run A are in float32. */
    private static final Pattern FINAL_WEIGHTS = Pattern.compile("A.*\\.f32");

    /**
     * The gradient of this parameter is mathematically zero, because a softmax is invariant to a shift of its scores.
     * Adam divides the remaining rounding noise by its own size, so it takes steps of the learning rate in random
     * directions.
     */
    private static final String NOISE = "k_proj.bias";

    @TestFactory
    Stream<DynamicContainer> trainMoe() {
        return TestDevices.all(device ->
                Golden.tests("train_moe", golden -> PublishedRun.onOneThread(() -> check(golden, device))));
    }

    @AfterAll
    static void printDifferences() {
        PublishedRun.print("train_moe");
    }

    private static void check(Golden.Case golden, Device device) {
        boolean wide = golden.name().endsWith(".f64");
        JsonNode rows = golden.json().path("rows");
        JsonNode optimizer = golden.json().path("opt");
        // A Python tuple.
        JsonNode betas = JsonMapper.shared()
                .readTree(optimizer
                        .path("adam_betas")
                        .asString()
                        .replace('(', '[')
                        .replace(')', ']'));
        OptimizerConfig adam = new OptimizerConfig(
                optimizer.path("lr").path(0).asDouble(),
                betas.path(0).asDouble(),
                betas.path(1).asDouble(),
                optimizer.path("adam_eps").asDouble(),
                optimizer.path("weight_decay").asDouble(),
                UpdateConvention.PUBLISHED,
                golden.json().path("clip").asDouble());
        long[] shape = golden.tensors().shape("src_tokens");
        int sequences = (int) shape[1];
        int length = (int) shape[2];
        long[] source = golden.tensors().longs("src_tokens");
        long[] target = golden.tensors().longs("target");
        Trainer.SequenceSource batches = (number, tokens) -> {
            int from = (int) number * length;
            tokens[0] = (int) source[from];
            for (int i = 0; i < length; i++) {
                tokens[i + 1] = (int) target[from + i];
            }
        };
        assertThat(targetsFollowSources(source, target, length)).isTrue();
        assertThat(rows.size()).isBetween(1, (int) shape[0]);

        Architecture architecture = PublishedRun.architecture(golden, length, golden.json());
        Precision precision = wide ? Precision.FP64 : Precision.FP32;
        try (LanguageModel model = PublishedModel.load(architecture, golden.weights(), precision, device)) {
            Trainer trainer = new Trainer(
                    model,
                    new BatchConfig(sequences, 1),
                    adam,
                    update -> rows.path((int) update - 1).path("lr").asDouble(),
                    batches,
                    1);
            for (JsonNode row : rows) {
                check(architecture, trainer.step(), row, wide);
            }
            int tokens = sequences * length;
            TokenBatch first = new TokenBatch(Arrays.copyOf(source, tokens), Arrays.copyOf(target, tokens), sequences);
            PublishedRun.close(
                    "train_moe " + (wide ? "float64" : "float32") + ", final loss",
                    rows.size(),
                    loss(model, first),
                    golden.json().path("final_loss_batch0").asDouble(),
                    wide ? FLOAT64 : FLOAT32);
            if (FINAL_WEIGHTS.matcher(golden.name()).matches()) {
                checkWeights(model, golden.tensors());
            }
        }
    }

    /** The loss with its balance term, summed over tokens, with the training capacity factor. */
    private static double loss(LanguageModel model, TokenBatch batch) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            PassContext pass = new PassContext(true, 1, new RandomKey(0), new long[batch.sequences()]);
            return model.loss(tape, batch, pass).roots().stream()
                    .mapToDouble(root -> root.tensor().item())
                    .sum();
        }
    }

    private static boolean targetsFollowSources(long[] source, long[] target, int length) {
        for (int i = 0; i + 1 < source.length; i++) {
            if ((i + 1) % length != 0 && source[i + 1] != target[i]) {
                return false;
            }
        }
        return true;
    }

    private static void check(Architecture architecture, StepResult result, JsonNode row, boolean wide) {
        String kind = "train_moe " + (wide ? "float64" : "float32") + ", ";
        int step = row.path("step").asInt();
        double bound = wide ? FLOAT64 : FLOAT32;
        double balance = PublishedRun.balance(architecture, result);
        double loss = result.loss() + architecture.balance().weight() * balance;
        long tokens = row.path("sample_size").asLong();
        assertThat(result.step()).isEqualTo(step);
        assertThat(result.tokens()).isEqualTo(tokens);
        PublishedRun.close(
                kind + "loss", step, loss, row.path("loss_per_token_nats").asDouble(), bound);
        PublishedRun.close(
                kind + "loss", step, loss * tokens, row.path("loss_sum").asDouble(), bound);
        PublishedRun.close(
                kind + "inner loss",
                step,
                result.loss() * tokens,
                row.path("inner_loss_sum").asDouble(),
                bound);
        PublishedRun.close(
                kind + "gate loss",
                step,
                balance * tokens,
                row.path("moe_loss_sum").asDouble(),
                bound);
        PublishedRun.close(
                kind + "gradient norm",
                step,
                result.gradientNorm(),
                row.path("grad_norm").asDouble(),
                wide ? ROUNDED : FLOAT32);
        for (int rank = 0; rank < architecture.routing().topK(); rank++) {
            int r = rank;
            double overflow = result.routing().stream()
                    .mapToDouble(layer -> layer.statistics().overflow()[r])
                    .average()
                    .orElseThrow();
            PublishedRun.close(
                    kind + "overflow",
                    step,
                    1 + overflow,
                    1 + row.path("overflow" + (rank + 1)).asDouble(),
                    LOGGED);
        }
    }

    private static void checkWeights(LanguageModel model, Golden.Tensors golden) {
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    String name = "final."
                            + PublishedModel.published(
                                    parameter.spec().partNames().get(i));
                    if (!name.endsWith(NOISE)) {
                        checkWeight(name, parameter.part(parameter.master(), i).toDoubles(), golden.doubles(name));
                    }
                }
            }
        }
    }

    private static void checkWeight(String name, double[] actual, double[] expected) {
        assertThat(actual).as(name).hasSameSizeAs(expected);
        assertThat(Difference.relative(actual, expected)).as(name).isLessThanOrEqualTo(FLOAT32);
    }
}
