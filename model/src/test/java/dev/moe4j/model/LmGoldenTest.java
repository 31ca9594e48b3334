package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.PublishedFigures;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;

/**
 * Compares complete language models with the published ones: hidden states, logits, losses, statistics and all
 * gradients.
 */
@Tag("device")
class LmGoldenTest {

    /**
     * The gradient of a key projection's bias is zero in exact arithmetic, because shifting all scores does not change
     * a softmax. Both sides compute rounding noise, and these bounds limit its elements.
     */
    private static final double ZERO_FLOAT32 = 2e-6;

    private static final double ZERO_FLOAT64 = 1e-14;

    /** Bounds on the summed loss, per-token losses and all gradients: three times the differences measured on a CPU. */
    private static final double BF16_LOSS = 2e-3;

    private static final double BF16_NLL = 1.2e-2;
    private static final double BF16_GRADIENT = 2e-2;

    /** Logged figures that concern only the published run. */
    private static final Set<String> NOT_ABOUT_THE_MODEL =
            Set.of("nsentences", "batch_count", "all_to_all_cpu_time_ms", "all_to_all_cuda_time_ms");

    @TestFactory
    Stream<DynamicContainer> lm() {
        return TestDevices.all(device -> Golden.tests("lm", golden -> {
            for (Precision precision : List.of(Precision.FP32, Precision.FP64)) {
                check(golden, precision, device, true, Recompute.NONE);
                check(golden, precision, device, false, Recompute.NONE);
                check(golden, precision, device, false, Recompute.FULL);
            }
        }));
    }

    /**
     * Half precision: each number differs at most by its rounding, including choices of experts that rounding changes.
     */
    @TestFactory
    Stream<DynamicContainer> lmInBf16() {
        return TestDevices.all(device -> Golden.tests("lm", golden -> checkBf16(golden, device)));
    }

    @AfterAll
    static void printDifferences() {
        Agreement.print("lm");
    }

    private static TokenBatch batch(Golden.Tensors data, int padding) {
        long[] targets = data.longs("target");
        for (int i = 0; i < targets.length; i++) {
            targets[i] = targets[i] == padding ? TokenBatch.NONE : targets[i];
        }
        return new TokenBatch(data.longs("src_tokens"), targets, (int) data.shape("src_tokens")[0]);
    }

    private static PassContext pass(Golden.Case golden, TokenBatch batch) {
        boolean training = golden.json().path("train").asBoolean(true);
        return new PassContext(training, 1, new RandomKey(0), new long[batch.sequences()]);
    }

    private static void checkBf16(Golden.Case golden, Device device) {
        Golden.Tensors data = golden.tensors();
        Architecture architecture = PublishedModel.architecture(golden);
        TokenBatch batch = batch(data, architecture.model().padding());
        try (Scope _ = Scope.open();
                LanguageModel model = PublishedModel.load(architecture, golden.weights(), Precision.BF16, device);
                Tape tape = Tape.recording()) {
            model.parameters().startGradients();
            LossReport report = model.loss(tape, batch, pass(golden, batch));
            double loss = report.roots().getFirst().tensor().item();
            double[] nll = report.nll().tensor().toDoubles();
            double[] wanted = data.doubles("nll");
            assertThat(Math.abs(loss / Arrays.stream(wanted).sum() - 1)).isLessThan(BF16_LOSS);
            assertThat(Difference.relative(nll, wanted)).isLessThan(BF16_NLL);
            if (data.names().stream().anyMatch(name -> name.startsWith("grad."))) {
                tape.backward(report.roots().toArray(Value[]::new));
                model.parameters().finishGradients();
                assertThat(gradientDifference(model, data)).isLessThan(BF16_GRADIENT);
            }
        }
    }

    /** Over all parameters together. */
    private static double gradientDifference(LanguageModel model, Golden.Tensors data) {
        DoubleStream.Builder actual = DoubleStream.builder();
        DoubleStream.Builder expected = DoubleStream.builder();
        for (Parameter parameter : model.parameters().all()) {
            for (int i = 0; i < parameter.spec().parts().size(); i++) {
                Arrays.stream(parameter.part(parameter.gradient(), i).toDoubles())
                        .forEach(actual);
                String name =
                        PublishedModel.published(parameter.spec().partNames().get(i));
                Arrays.stream(data.doubles("grad." + name)).forEach(expected);
            }
        }
        return Difference.relative(actual.build().toArray(), expected.build().toArray());
    }

    private static void check(
            Golden.Case golden, Precision precision, Device device, boolean reference, Recompute recompute) {
        Golden.Tensors data = golden.tensors();
        Agreement agreement = new Agreement(golden, precision);
        Architecture architecture = PublishedModel.architecture(golden);
        TokenBatch batch = batch(data, architecture.model().padding());
        PassContext pass = pass(golden, batch);
        try (Scope _ = Scope.open();
                LanguageModel model = PublishedModel.load(architecture, golden.weights(), precision, device);
                Tape tape = Tape.recording()) {
            if (reference) {
                model.useReferenceSections();
            }
            model.recompute(recompute);
            model.parameters().startGradients();
            LossReport report = model.loss(tape, batch, pass);
            double loss = report.roots().stream()
                    .mapToDouble(root -> root.tensor().item())
                    .sum();
            agreement.check("loss", loss);
            agreement.check("nll", report.nll().tensor());
            for (int i = 0; i < report.hidden().size(); i++) {
                if (data.has("hidden." + i)) {
                    agreement.check("hidden." + i, report.hidden().get(i).tensor());
                }
            }
            if (data.has("l_aux")) {
                agreement.check(
                        "l_aux",
                        report.routing().stream()
                                .mapToDouble(LayerRouting::balance)
                                .toArray());
            }
            agreement.check("logits", model.logits(batch, pass));
            checkLog(golden.json(), architecture, batch, report, loss);

            if (data.names().stream().noneMatch(name -> name.startsWith("grad."))) {
                return;
            }
            tape.backward(report.roots().toArray(Value[]::new));
            model.parameters().finishGradients();
            for (Parameter parameter : model.parameters().all()) {
                for (int i = 0; i < parameter.spec().parts().size(); i++) {
                    checkGradient(agreement, precision, parameter, i);
                }
            }
        }
    }

    private static void checkGradient(Agreement agreement, Precision precision, Parameter parameter, int part) {
        String name =
                "grad." + PublishedModel.published(parameter.spec().partNames().get(part));
        if (name.endsWith("k_proj.bias")) {
            agreement.checkZero(
                    name,
                    parameter.part(parameter.gradient(), part),
                    precision.equals(Precision.FP64) ? ZERO_FLOAT64 : ZERO_FLOAT32);
        } else {
            agreement.check(name, parameter.part(parameter.gradient(), part));
        }
    }

    private static void checkLog(
            JsonNode json, Architecture architecture, TokenBatch batch, LossReport report, double loss) {
        double inner = report.roots().getFirst().tensor().item();
        for (var figure : json.path("log").properties()) {
            String name = figure.getKey();
            double actual = switch (name) {
                case "loss" -> loss;
                case "inner_loss" -> inner;
                case "moe_loss" -> batch.predicted() * balance(architecture.balance(), report);
                case "ntokens", "sample_size" -> batch.predicted();
                default ->
                    NOT_ABOUT_THE_MODEL.contains(name)
                            ? figure.getValue().asDouble()
                            : figure(name, architecture.routing().topK(), report);
            };
            Agreement.logged(name, actual, figure.getValue());
        }
    }

    private static double balance(BalanceConfig config, LossReport report) {
        DoubleStream losses = report.routing().stream().mapToDouble(LayerRouting::balance);
        double combined = config.combine() == BalanceConfig.Combine.SUM
                ? losses.sum()
                : losses.average().orElseThrow();
        return config.transform() == BalanceConfig.Transform.NEG_LOG ? -Math.log(combined) : combined;
    }

    /**
     * The mean over layers. The published top-1 gate does not count overflow and has only one expert per token; it logs
     * 0.
     */
    private static double figure(String name, int topK, LossReport report) {
        if (topK == 1 && (name.startsWith("overflow") || name.contains("expert2"))) {
            return 0;
        }
        return report.routing().stream()
                .mapToDouble(layer -> PublishedFigures.of(name, layer.statistics(), layer.entropy()))
                .average()
                .orElseThrow();
    }
}
