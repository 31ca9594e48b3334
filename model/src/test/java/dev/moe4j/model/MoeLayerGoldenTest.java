package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.expert.CombineSection;
import dev.moe4j.model.expert.DispatchSection;
import dev.moe4j.model.expert.ExpertNetworks;
import dev.moe4j.model.expert.ExpertProducts;
import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.PublishedFigures;
import dev.moe4j.model.routing.RouteSection;
import dev.moe4j.model.routing.RoutingStatistics;
import dev.moe4j.model.routing.RowIndices;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;

/**
 * Compares one MoE layer, from router to combine, with the published one: output, balance loss, statistics and the
 * gradients of input, gate and every expert.
 */
@Tag("device")
class MoeLayerGoldenTest {

    @TestFactory
    Stream<DynamicContainer> moeLayer() {
        return TestDevices.all(device -> Golden.tests("moe_layer", golden -> {
            for (Precision precision : List.of(Precision.FP32, Precision.FP64)) {
                for (boolean reference : List.of(true, false)) {
                    check(golden, precision, reference, device);
                }
            }
        }));
    }

    @AfterAll
    static void printDifferences() {
        Agreement.print("moe_layer");
    }

    private static void check(Golden.Case golden, Precision precision, boolean reference, Device device) {
        Kernels kernels = reference ? null : Kernels.of(device).orElse(null);
        JsonNode json = golden.json();
        Golden.Tensors data = golden.tensors();
        Agreement agreement = new Agreement(golden, precision);
        long[] shape = data.shape("input");
        int tokens = (int) (shape[0] * shape[1]);
        int width = (int) shape[2];
        // A batch with fewer than bs sequences is padded with masked rows of zeros.
        int fill = (int) (Math.max(0, json.path("bs").asInt(0) - shape[0]) * shape[1]);
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(precision, device);
                Tape tape = Tape.recording()) {
            load(parameters, golden.weights());
            parameters.startGradients();

            Value x = tape.variable(rows(data.doubles("input"), width, precision, device));
            RouteSection route = new RouteSection(
                    "route",
                    parameters.get("gate.wg.weight"),
                    null,
                    config(json),
                    new RouteSection.Setting(
                            1,
                            data.has("pad_mask") ? GatingGoldenTest.flags(data.longs("pad_mask")) : null,
                            null,
                            fill,
                            json.path("train").asBoolean(true),
                            GatingGoldenTest.noise(data),
                            null,
                            0.5,
                            0,
                            false,
                            false,
                            true),
                    tape,
                    kernels);
            Value[] routed = tape.runAll(route, x);
            PassContext pass = PassContext.evaluation(1);
            Dropout none = new Dropout(0, pass, "experts");
            AssignedRows assigned = new AssignedRows(route.assignment(), AssignedRows::rounded);
            RowIndices routes = RowIndices.of(assigned, precision.compute(), device, tape);
            Value rows = tape.run(new DispatchSection("dispatch", routes), x);
            ExpertNetworks.Weights weights = new ExpertNetworks.Weights(
                    parameters.get("fc1.weight"),
                    parameters.get("fc1.bias"),
                    parameters.get("fc2.weight"),
                    parameters.get("fc2.bias"));
            InnerActivation activation = new InnerActivation(
                    Activation.valueOf(json.path("act").asString("gelu").toUpperCase(Locale.ROOT)), false);
            Value outputs = tape.run(
                    new ExpertsSection(
                            "experts",
                            reference
                                    ? new ExpertNetworks.ByProducts(
                                            weights, activation, new ExpertProducts.Loop(assigned))
                                    : ExpertNetworks.of(weights, activation, assigned),
                            none,
                            routes.choices(),
                            false),
                    rows);
            Value residual = tape.constant(Tensor.zeros(precision.compute(), device, tokens, width));
            Value y = tape.run(
                    new CombineSection("combine", routes, none, false, 1, kernels), residual, outputs, routed[0]);
            Tensor upstream = tape.constant(rows(data.doubles("R"), width, precision, device))
                    .tensor();
            tape.backward(tape.run(new Dot(upstream), y), routed[1], routed[2]);
            parameters.finishGradients();

            Tensor output = y.tensor();
            agreement.check("output", output);
            LayerRouting report = route.figures().read(0);
            agreement.check("l_aux", report.balance());
            if (data.has("grad.input")) {
                agreement.check("grad.input", Objects.requireNonNull(tape.gradient(x)));
                for (Parameter parameter : parameters.all()) {
                    for (int i = 0; i < parameter.spec().parts().size(); i++) {
                        agreement.check(
                                "grad." + parameter.spec().partNames().get(i), parameter.part(parameter.gradient(), i));
                    }
                }
            }
            if (json.has("tokens_with_zero_output")) {
                assertThat(rowsOfZero(output.toDoubles(), width))
                        .isEqualTo(json.path("tokens_with_zero_output").asInt());
            }
            RoutingStatistics statistics = report.statistics();
            json.path("metadata")
                    .properties()
                    .forEach(figure -> Agreement.logged(
                            figure.getKey(),
                            PublishedFigures.of(figure.getKey(), statistics, report.entropy()),
                            figure.getValue()));
        }
    }

    private static RoutingConfig config(JsonNode json) {
        return new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                json.path("top").asInt(),
                0,
                json.path("capacity_factor").asDouble(1),
                json.path("frac").asDouble(PublishedModel.EVALUATION_CAPACITY),
                json.path("normb").asBoolean(false),
                PublishedModel.secondExpert(json.path("policy")),
                json.path("bpr").asBoolean(false),
                true);
    }

    private static void load(Parameters parameters, Golden.Tensors weights) {
        int experts = (int) weights.shape("gate.wg.weight")[0];
        parameters.add("gate", List.of(spec(weights, List.of("gate.wg.weight"), "gate.wg.weight", false)));
        parameters.add(
                "experts",
                Stream.of("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")
                        .map(kind -> spec(
                                weights,
                                IntStream.range(0, experts)
                                        .mapToObj(e -> "experts." + e + "." + kind)
                                        .toList(),
                                kind,
                                true))
                        .toList());
        for (Parameter parameter : parameters.all()) {
            for (int i = 0; i < parameter.spec().parts().size(); i++) {
                Tensor part = parameter.part(parameter.master(), i);
                part.copy(Tensor.of(weights.doubles(parameter.spec().partNames().get(i)))
                        .view(part.shape()));
            }
        }
        parameters.refresh();
    }

    private static Parameter.Spec spec(Golden.Tensors weights, List<String> parts, String name, boolean stacked) {
        List<Long> shape = new java.util.ArrayList<>(
                Arrays.stream(weights.shape(parts.getFirst())).boxed().toList());
        if (stacked) {
            shape.addFirst((long) parts.size());
        }
        return Parameter.Spec.ofEqualParts(name, shape, parts, stacked, (part, key) -> {}, true);
    }

    private static Tensor rows(double[] values, int width, Precision precision, Device device) {
        return Tensor.of(values).view(-1, width).to(precision.compute()).to(device);
    }

    private static int rowsOfZero(double[] values, int width) {
        int rows = 0;
        for (int row = 0; row < values.length; row += width) {
            rows += Arrays.stream(values, row, row + width).allMatch(v -> v == 0) ? 1 : 0;
        }
        return rows;
    }
}
