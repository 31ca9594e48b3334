package dev.moe4j.model;

import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tape;
import dev.moe4j.tensor.Value;
import java.util.List;
import java.util.Set;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;

/** Whole language models against the published ones: hidden states, logits, losses, statistics and all gradients. */
class LmGoldenTest {

    /**
     * The gradient of a key projection's bias is zero by mathematics: a softmax does not change when all its scores
     * shift. What either side computes is rounding noise; these bound its elements.
     */
    private static final double ZERO_FLOAT32 = 2e-6;

    private static final double ZERO_FLOAT64 = 1e-14;

    /** Figures of the log that are about its own run. */
    private static final Set<String> NOT_ABOUT_THE_MODEL =
            Set.of("nsentences", "batch_count", "all_to_all_cpu_time_ms", "all_to_all_cuda_time_ms");

    @TestFactory
    Stream<DynamicTest> lm() {
        return Golden.tests("lm", golden -> {
            for (Precision precision : List.of(Precision.FP32, Precision.FP64)) {
                check(golden, precision, true, Recompute.NONE);
                check(golden, precision, false, Recompute.NONE);
                check(golden, precision, false, Recompute.FULL);
            }
        });
    }

    @AfterAll
    static void printDifferences() {
        Agreement.print("lm");
    }

    private static void check(Golden.Case golden, Precision precision, boolean reference, Recompute recompute) {
        Golden.Tensors data = golden.tensors();
        Agreement agreement = new Agreement(golden, precision);
        Architecture architecture = PublishedModel.architecture(golden);
        int padding = architecture.model().padding();
        int sequences = (int) data.shape("src_tokens")[0];
        long[] targets = data.longs("target");
        for (int i = 0; i < targets.length; i++) {
            targets[i] = targets[i] == padding ? TokenBatch.NONE : targets[i];
        }
        TokenBatch batch = new TokenBatch(data.longs("src_tokens"), targets, sequences);
        Pass pass = new Pass(golden.json().path("train").asBoolean(true), 1, new RandomKey(0), new long[sequences]);
        try (Scope _ = Scope.open();
                LanguageModel model = PublishedModel.load(architecture, golden.weights(), precision);
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
                                .mapToDouble(LossReport.LayerRouting::balance)
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
                "grad." + PublishedModel.published(parameter.spec().parts().get(part));
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
        DoubleStream losses = report.routing().stream().mapToDouble(LossReport.LayerRouting::balance);
        double combined = config.combine() == BalanceConfig.Combine.SUM
                ? losses.sum()
                : losses.average().orElseThrow();
        return config.transform() == BalanceConfig.Transform.NEG_LOG ? -Math.log(combined) : combined;
    }

    /** The mean over layers; the published top-1 gate does not count overflow and has no second expert: it logs 0. */
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
