package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.TestDevices;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.train.LayoutLawTest.Division;
import dev.moe4j.train.LayoutLawTest.Run;
import dev.moe4j.train.LayoutLawTest.Subject;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Routers that send every token to the same two experts of four, so that others and whole ranks get none. */
@Tag("device")
class StarvedExpertsTest {

    private static final int STEPS = 2;

    /** Logits of the experts in order of preference. They are far apart compared with the router's other input. */
    private static final List<Double> LOGITS = List.of(2.0, 1.0, -1.0, -2.0);

    /**
     * The initial parameters, except for the routers: these see 1 in the first element of every token, and little else.
     *
     * @param order the experts, the first choice of every token first
     */
    private static void starve(LanguageModel model, List<Integer> order) {
        RandomKey key = new RandomKey(1);
        model.parameters().write(ParameterGroup::master, (parameter, part, target) -> {
            String name = parameter.spec().partNames().get(part);
            parameter.spec().initialization().fill(target, key.fold(name));
            if (name.endsWith(".final_layer_norm.weight")) {
                target.select(0, 0).fill(0);
            } else if (name.endsWith(".final_layer_norm.bias")) {
                target.select(0, 0).fill(1);
            } else if (name.endsWith(".moe.gate.weight")) {
                target.mulInPlace(0.1);
                for (int place = 0; place < order.size(); place++) {
                    Tensor row = target.select(0, order.get(place));
                    row.select(0, 0).fill(LOGITS.get(place));
                }
            }
        });
        model.parameters().refresh();
    }

    private static Run run(
            Subject subject, Division division, Precision precision, ParallelContext fabric, List<Integer> order) {
        return run(subject, division, precision, Device.CPU, fabric, order);
    }

    private static Run run(
            Subject subject,
            Division division,
            Precision precision,
            Device device,
            ParallelContext fabric,
            List<Integer> order) {
        return LayoutLawTest.run(
                subject,
                division,
                precision,
                device,
                fabric,
                ExpertGradients.EXACT,
                STEPS,
                model -> starve(model, order),
                _ -> {});
    }

    @ParameterizedTest
    @CsvSource({
        "2, 2, NONE, 0 1 2 3",
        "2, 2, GRADIENTS, 3 2 1 0",
        "4, 4, NONE, 1 2 0 3",
        "4, 4, PARAMETERS, 0 3 1 2",
        "4, 2, OPTIMIZER, 1 0 3 2"
    })
    void starvedRanksComputeAsOneProcessDoes(int world, int expert, Sharding sharding, String experts) {
        List<Integer> order =
                Arrays.stream(experts.split(" ")).map(Integer::valueOf).toList();
        List<Subject> subjects = List.of(new Subject(false, true, 4), new Subject(true, true, 4));
        List<Run> runs = RanksInThreads.run(world, processes -> {
                    ParallelContext fabric = ParallelContext.of(processes, expert, sharding);
                    Division division = new Division(sharding, 1, Recompute.FULL);
                    return subjects.stream()
                            .map(subject -> run(subject, division, Precision.FP32, fabric, order))
                            .toList();
                })
                .getFirst();
        for (int i = 0; i < subjects.size(); i++) {
            Run one = run(subjects.get(i), Division.PLAIN, Precision.FP32, ParallelContext.SINGLE, order);
            assertStarved(one, order.subList(2, 4));
            LayoutLawTest.same(subjects.get(i) + ", experts " + experts + " over " + expert, runs.get(i), one);
        }
    }

    /** One process on each device. The fp32 results equal the CPU's. */
    @TestFactory
    Stream<DynamicTest> starvedExpertsComputeOnADevice() {
        List<Integer> order = List.of(2, 0, 3, 1);
        return TestDevices.each(device -> {
            for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
                for (boolean capacity : List.of(false, true)) {
                    Subject subject = new Subject(capacity, false, 4);
                    Run plain = run(subject, Division.PLAIN, Precision.FP32, ParallelContext.SINGLE, order);
                    Run run = run(subject, Division.PLAIN, precision, device, ParallelContext.SINGLE, order);
                    assertStarved(run, order.subList(2, 4));
                    double bound = precision.equals(Precision.FP32) ? 1e-5 : 5e-3;
                    for (int step = 0; step < STEPS; step++) {
                        double wanted = plain.steps().get(step).loss();
                        assertThat(run.steps().get(step).loss()).isCloseTo(wanted, within(bound * wanted));
                    }
                }
            }
        });
    }

    /** Grouped bf16 products on a rank without any token. */
    @ParameterizedTest
    @CsvSource({"false", "true"})
    void starvedRanksComputeInBf16(boolean capacity) {
        Subject subject = new Subject(capacity, false, 4);
        List<Integer> order = List.of(0, 1, 2, 3);
        Run run = RanksInThreads.run(
                        2,
                        processes -> run(
                                subject,
                                Division.PLAIN,
                                Precision.BF16,
                                ParallelContext.of(processes, 2, Sharding.NONE),
                                order))
                .getFirst();
        assertStarved(run, order.subList(2, 4));
        run.parameters()
                .forEach((name, values) ->
                        assertThat(Arrays.stream(values)).as(name).allMatch(Double::isFinite));
    }

    /** No token chose these experts, so the loss does not depend on them. */
    private static void assertStarved(Run run, List<Integer> experts) {
        for (LayoutLawTest.Figures step : run.steps()) {
            for (List<Double> kept : step.kept()) {
                assertThat(experts).allMatch(expert -> kept.get(expert) == 0);
                assertThat(kept.stream().filter(count -> count > 0)).hasSize(2);
            }
        }
        Map<String, double[]> gradients = run.gradients();
        for (int expert : experts) {
            assertThat(gradients.keySet()).anyMatch(name -> name.contains(".experts." + expert + "."));
            gradients.forEach((name, gradient) -> {
                if (name.contains(".experts." + expert + ".")) {
                    assertThat(gradient).as(name).containsOnly(0.0);
                }
            });
        }
    }
}
