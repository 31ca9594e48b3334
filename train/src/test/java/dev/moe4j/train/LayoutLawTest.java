package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.Activation;
import dev.moe4j.model.Architecture;
import dev.moe4j.model.BalanceConfig;
import dev.moe4j.model.CheckpointTensors;
import dev.moe4j.model.ExpertGradients;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.model.ModelException;
import dev.moe4j.model.Recompute;
import dev.moe4j.model.RoutingConfig;
import dev.moe4j.parallel.Fabric;
import dev.moe4j.parallel.Processes;
import dev.moe4j.parallel.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Unit;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.concurrent.ConcurrentHashMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Loss, gradient norm, every gradient, every parameter and every routing decision are the same however a run is divided.
 */
class LayoutLawTest {

    private static final int STEPS = 5;
    private static final double TOLERANCE = 1e-5;
    private static final List<Recompute> RECOMPUTES = List.of(Recompute.NONE, Recompute.SELECTIVE, Recompute.FULL);

    /** What of a run is free, by the law. */
    private record Division(Sharding sharding, int accumulation, Recompute recompute) {

        static final Division PLAIN = new Division(Sharding.NONE, 1, Recompute.NONE);
    }

    /** What decides a run. */
    private record Subject(boolean capacity, boolean dropout, int experts) {

        Architecture architecture() {
            double p = dropout ? 0.1 : 0;
            ModelConfig model = new ModelConfig(4, 16, 2, 32, 64, 8, Activation.GELU, p, p, -1, experts, 2, 16, 0);
            RoutingConfig routing = capacity
                    ? new RoutingConfig(
                            RoutingConfig.Strategy.CAPACITY,
                            2,
                            1,
                            1.0,
                            -1,
                            false,
                            RoutingConfig.SecondExpert.ALL,
                            false,
                            true)
                    : RoutingConfig.DEFAULT;
            return new Architecture(
                    model,
                    routing,
                    new BalanceConfig(0.01, BalanceConfig.Scope.GLOBAL, BalanceConfig.Combine.MEAN, 0.001));
        }
    }

    /** A step's figures, with each MoE layer's fractions of first choices. */
    private record Figures(double loss, double balance, double norm, List<List<Double>> fractions) {}

    /** What a run gave, with the last step's gradients; tensors by their names in checkpoints. */
    private record Run(List<Figures> steps, Map<String, double[]> gradients, Map<String, double[]> parameters) {}

    private static void text(long number, int[] tokens) {
        SplittableRandom random = new SplittableRandom(number);
        int start = random.nextInt(60);
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = random.nextInt(4) == 0 ? random.nextInt(64) : (start + i) % 60;
        }
    }

    private static Run run(Subject subject, Division division, Fabric fabric, ExpertGradients rule) {
        try (LanguageModel model = LanguageModel.initialize(
                        subject.architecture(), Precision.FP32, Device.CPU, fabric, rule, new RandomKey(3));
                Scope scope = Scope.open()) {
            model.recompute(division.recompute());
            Trainer trainer = new Trainer(
                    model,
                    new BatchConfig(16, division.accumulation()),
                    new OptimizerConfig(2e-3, 0.9, 0.98, 1e-6, 0.01, Convention.PLAIN, 1.0),
                    ScheduleConfig.constant(2),
                    LayoutLawTest::text,
                    1,
                    1000);
            List<Figures> steps = new ArrayList<>();
            for (int i = 0; i < STEPS; i++) {
                Trainer.Result result = trainer.step();
                steps.add(new Figures(
                        result.loss(),
                        result.balance(),
                        result.gradientNorm(),
                        model.balanceTracker().state()));
            }
            return new Run(
                    steps,
                    values(CheckpointTensors.copies(model, Unit::gradient, "", scope)),
                    values(CheckpointTensors.copies(model, Unit::master, "", scope)));
        }
    }

    private static Map<String, double[]> values(List<CheckpointTensors.Named> tensors) {
        Map<String, double[]> values = new LinkedHashMap<>();
        tensors.forEach(named -> values.put(named.name(), named.tensor().toDoubles()));
        return values;
    }

    private static void same(String what, Run run, Run reference) {
        for (int step = 0; step < STEPS; step++) {
            Figures a = run.steps().get(step);
            Figures b = reference.steps().get(step);
            String at = what + ", step " + (step + 1);
            assertThat(a.fractions()).as(at).isEqualTo(b.fractions());
            assertThat(a.loss()).as(at).isCloseTo(b.loss(), within(TOLERANCE * b.loss()));
            assertThat(a.balance()).as(at).isCloseTo(b.balance(), within(TOLERANCE * b.balance()));
            assertThat(a.norm()).as(at).isCloseTo(b.norm(), within(TOLERANCE * b.norm()));
        }
        same(what + ", gradient of ", run.gradients(), reference.gradients(), 1e-8);
        same(what + ", ", run.parameters(), reference.parameters(), STEPS * 2e-3);
    }

    /**
     * @param zero how far from zero what is zero by mathematics may be: keys' biases, since a softmax does not see them
     */
    private static void same(String what, Map<String, double[]> run, Map<String, double[]> reference, double zero) {
        assertThat(run.keySet()).as(what).containsExactlyElementsOf(reference.keySet());
        run.forEach((name, a) -> {
            double[] b = Objects.requireNonNull(reference.get(name));
            double difference = 0;
            double norm = 0;
            for (int i = 0; i < b.length; i++) {
                difference += (a[i] - b[i]) * (a[i] - b[i]);
                norm += b[i] * b[i];
            }
            double bound = name.endsWith("k_proj.bias") ? zero * Math.sqrt(b.length) : TOLERANCE * Math.sqrt(norm);
            assertThat(Math.sqrt(difference)).as(what + name).isLessThanOrEqualTo(bound);
        });
    }

    private static final Map<Subject, Run> REFERENCES = new ConcurrentHashMap<>();

    private static Run reference(Subject subject) {
        return REFERENCES.computeIfAbsent(
                subject, _ -> run(subject, Division.PLAIN, Fabric.SINGLE, ExpertGradients.EXACT));
    }

    @ParameterizedTest
    @CsvSource({"1, 1, 4", "2, 1, 4", "2, 2, 4", "4, 1, 4", "4, 2, 4", "4, 4, 4", "4, 2, 2"})
    void nothingDependsOnTheDivision(int world, int expert, int experts) {
        List<Map<Division, Map<Subject, Run>>> ranks =
                RanksInThreads.run(world, processes -> all(processes, expert, experts));
        ranks.getFirst()
                .forEach((division, runs) -> runs.forEach((subject, run) -> same(
                        "%s, %s, experts over %d of %d".formatted(subject, division, expert, world),
                        run,
                        reference(subject))));
    }

    /**
     * All levels of sharding with all subjects; ways to accumulate and recompute take turns, so that every level meets
     * each of them, and every subject too.
     */
    private static Map<Division, Map<Subject, Run>> all(Processes processes, int expert, int experts) {
        Map<Division, Map<Subject, Run>> runs = new LinkedHashMap<>();
        int round = 0;
        for (Sharding sharding : Sharding.values()) {
            Fabric fabric = Fabric.of(processes, expert, sharding);
            for (int turn = 0; turn < 4; turn++) {
                Subject subject = new Subject(turn % 2 == 1, turn >= 2, experts);
                int accumulation = 1 + (turn + turn / 2 + round) % 2;
                Recompute recompute = RECOMPUTES.get((turn + round) % RECOMPUTES.size());
                Division division = new Division(sharding, accumulation, recompute);
                runs.computeIfAbsent(division, _ -> new LinkedHashMap<>())
                        .put(subject, run(subject, division, fabric, ExpertGradients.EXACT));
            }
            round++;
        }
        return runs;
    }

    @Test
    void theRootRuleMultipliesExpertsGradients() {
        Subject subject = new Subject(false, false, 4);
        Run exact = run(subject, Division.PLAIN, Fabric.SINGLE, ExpertGradients.EXACT);
        List<Figures> rooted = RanksInThreads.run(
                        4,
                        processes -> run(
                                subject,
                                Division.PLAIN,
                                Fabric.of(processes, 2, Sharding.NONE),
                                ExpertGradients.SQRT_WORLD_SIZE))
                .getFirst()
                .steps();
        // The first step's losses are the same, and experts' share of the squared norm is four times what it was.
        assertThat(rooted.getFirst().loss()).isCloseTo(exact.steps().getFirst().loss(), within(1e-5));
        assertThat(rooted.getFirst().norm())
                .isGreaterThan(1.02 * exact.steps().getFirst().norm());
        assertThat(rooted.getFirst().norm())
                .isLessThan(2 * exact.steps().getFirst().norm());
    }

    @Test
    void refusesWhatCannotBeDivided() {
        Subject subject = new Subject(false, false, 4);
        assertThatThrownBy(() -> RanksInThreads.run(
                        3,
                        processes -> run(
                                subject,
                                Division.PLAIN,
                                Fabric.of(processes, 1, Sharding.NONE),
                                ExpertGradients.EXACT)))
                .isInstanceOf(TrainException.class)
                .hasMessageContaining("micro-batches of 16 sequences cannot be divided among 3 processes");
        Architecture wholeBatch = new Architecture(
                subject.architecture().model(),
                new RoutingConfig(
                        RoutingConfig.Strategy.DROPLESS,
                        2,
                        0,
                        1.0,
                        -1,
                        false,
                        RoutingConfig.SecondExpert.ALL,
                        false,
                        true),
                BalanceConfig.DEFAULT);
        assertThatThrownBy(() -> RanksInThreads.run(2, processes -> {
                    Fabric fabric = Fabric.of(processes, 1, Sharding.NONE);
                    return LanguageModel.initialize(
                            wholeBatch, Precision.FP32, Device.CPU, fabric, ExpertGradients.EXACT, new RandomKey(3));
                }))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("routing.group: 0");
    }
}
