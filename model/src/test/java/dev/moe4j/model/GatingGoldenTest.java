package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.routing.Assignment;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.routing.PublishedFigures;
import dev.moe4j.model.routing.RouteSection;
import dev.moe4j.model.routing.Routing;
import dev.moe4j.model.routing.RoutingStatistics;
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
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.DynamicContainer;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import tools.jackson.databind.JsonNode;

/**
 * Compares the router with the published system's gates: choices, places, weights, balance loss, statistics and the
 * gradient of the logits. The gate's weight is the identity, so the router's input equals its logits.
 */
@Tag("device")
public class GatingGoldenTest {

    @TestFactory
    Stream<DynamicContainer> gating() {
        return TestDevices.all(device -> Golden.tests("gating", golden -> {
            for (Precision precision : List.of(Precision.FP32, Precision.FP64)) {
                check(golden, precision, device);
            }
        }));
    }

    @AfterAll
    static void printDifferences() {
        Agreement.print("gating");
    }

    private static void check(Golden.Case golden, Precision precision, Device device) {
        Golden.Tensors data = golden.tensors();
        Agreement agreement = new Agreement(golden, precision);
        int tokens = (int) data.shape("logits")[0];
        int experts = (int) data.shape("logits")[1];
        RoutingConfig config = config(golden.json());
        int k = config.topK();
        boolean[] padding = data.has("pad_mask") ? flags(data.longs("pad_mask")) : null;
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(precision, device);
                Tape tape = Tape.recording()) {
            RouteSection route = new RouteSection(
                    "route",
                    identity(parameters, experts),
                    null,
                    config,
                    new RouteSection.Setting(
                            1,
                            padding,
                            null,
                            0,
                            !golden.json().path("eval_mode").asBoolean(),
                            noise(data),
                            null,
                            0.7,
                            0,
                            false,
                            false,
                            true),
                    tape,
                    Kernels.of(device).orElse(null));
            Value logits = tape.variable(Tensor.of(data.doubles("logits"))
                    .view(tokens, experts)
                    .to(precision.compute())
                    .to(device));
            Value[] routed = tape.runAll(route, logits);
            Tensor upstream = tape.constant(Tensor.of(data.doubles("upstream"))
                            .view(tokens, k)
                            .to(precision.stable())
                            .to(device))
                    .tensor();
            Value dot = tape.run(new Dot(upstream), routed[0]);
            tape.backward(dot, routed[1], routed[2]);

            LayerRouting report = route.figures().read(0);
            agreement.check("l_aux", report.balance());
            Agreement.logged("l_aux", report.balance(), golden.json().path("l_aux"));
            agreement.check("grad_logits", Objects.requireNonNull(tape.gradient(logits)));
            checkChoices(golden, agreement, route.assignment(), routed[0].tensor());
            checkStatistics(golden.json().path("metadata"), report);
        }
    }

    private static void checkChoices(Golden.Case golden, Agreement agreement, Assignment assignment, Tensor weights) {
        Golden.Tensors data = golden.tensors();
        int k = assignment.topK();
        int tokens = assignment.tokens();
        double[] gates = weights.toDoubles();
        for (int rank = 0; rank < k; rank++) {
            long[] expert = new long[tokens];
            long[] place = new long[tokens];
            long[] slot = new long[tokens];
            double[] gate = new double[tokens];
            int kept = 0;
            for (int token = 0; token < tokens; token++) {
                int choice = token * k + rank;
                expert[token] = assignment.expertOf()[choice];
                place[token] = assignment.placeOf()[choice];
                slot[token] = assignment.kept()[choice] ? place[token] : -1;
                gate[token] = gates[choice];
                kept += assignment.kept()[choice] ? 1 : 0;
            }
            String number = String.valueOf(rank + 1);
            assertThat(expert).as("expert" + number).isEqualTo(data.longs("expert" + number));
            assertThat(place).as("prelocation" + number).isEqualTo(data.longs("prelocation" + number));
            assertThat(slot).as("slot" + number).isEqualTo(data.longs("slot" + number));
            assertThat(kept)
                    .as("kept " + number)
                    .isEqualTo(golden.json().path("kept").path(rank).asInt());
            agreement.check("gate" + number, gate);
        }
        if (data.has("combine_weights")) {
            int capacity = (int) data.shape("combine_weights")[2];
            assertThat(capacity).isEqualTo(golden.json().path("capacity").asInt());
            double[] dense = new double[tokens * assignment.experts() * capacity];
            for (int choice = 0; choice < tokens * k; choice++) {
                if (assignment.kept()[choice]) {
                    int row =
                            choice / k * assignment.experts() + (int) assignment.expertOf()[choice];
                    dense[row * capacity + (int) assignment.placeOf()[choice]] = gates[choice];
                }
            }
            agreement.check("combine_weights", dense);
        }
    }

    private static void checkStatistics(JsonNode metadata, LayerRouting report) {
        RoutingStatistics statistics = report.statistics();
        assertThat(metadata.properties()).isNotEmpty();
        metadata.properties()
                .forEach(figure -> Agreement.logged(
                        figure.getKey(),
                        PublishedFigures.of(figure.getKey(), statistics, report.entropy()),
                        figure.getValue()));
    }

    /** The routing configuration of a case. */
    private static RoutingConfig config(JsonNode json) {
        return new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                json.path("top").asInt(),
                0,
                json.path("capacity_factor").asDouble(1),
                json.path("moe_eval_capacity_token_fraction").asDouble(PublishedModel.EVALUATION_CAPACITY),
                json.path("normalize_gate_prob_before_dropping").asBoolean(false),
                PublishedModel.secondExpert(json.path("second_expert_policy")),
                json.path("batch_prioritized_routing").asBoolean(false),
                true);
    }

    /** The noise of a case, for policies that draw. */
    static Routing.Noise noise(Golden.Tensors data) {
        return new Routing.Noise() {
            @Override
            public double[] gumbel(int count) {
                return data.doubles("gumbel_noise");
            }

            @Override
            public double[] uniform(int count) {
                return data.doubles("uniform_noise");
            }
        };
    }

    public static Parameter identity(Parameters parameters, int size) {
        parameters.add(
                "gate",
                List.of(Parameter.Spec.ofEqualParts(
                        "gate", List.of((long) size, (long) size), List.of("gate"), false, (part, key) -> {}, true)));
        Parameter gate = parameters.get("gate");
        for (int i = 0; i < size; i++) {
            gate.master().select(0, i).select(0, i).fill(1);
        }
        parameters.refresh();
        return gate;
    }

    static boolean[] flags(long[] values) {
        boolean[] flags = new boolean[values.length];
        for (int i = 0; i < flags.length; i++) {
            flags[i] = values[i] != 0;
        }
        return flags;
    }
}
