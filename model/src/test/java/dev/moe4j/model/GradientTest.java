package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Compares every parameter's gradient of a complete model with a finite difference of losses along a random direction,
 * in float64, for all routing strategies. Dropout is active: its masks follow from the key, so they are the same for
 * both losses.
 */
class GradientTest {

    private static final double STEP = 1e-5;
    private static final long SEED = 12;

    private record Trial(String name, Architecture architecture, boolean training) {

        Trial(String name, Architecture architecture) {
            this(name, architecture, true);
        }
    }

    @TestFactory
    Stream<DynamicTest> equalsFiniteDifferenceOfLosses() {
        return trials().stream().map(trial -> DynamicTest.dynamicTest(trial.name(), () -> check(trial)));
    }

    private static List<Trial> trials() {
        List<Trial> trials = new ArrayList<>();
        for (int k = 1; k <= 3; k++) {
            for (BalanceConfig.Scope scope : BalanceConfig.Scope.values()) {
                for (RoutingConfig routing : List.of(TinyModels.dropless(k), TinyModels.capacity(k))) {
                    int shared = k == 2 ? 2 : 0;
                    BalanceConfig balance = new BalanceConfig(
                            0.5, scope, k == 3 ? BalanceConfig.Combine.SUM : BalanceConfig.Combine.MEAN, 0.3);
                    trials.add(new Trial(
                            "top-" + k + " " + scope + " " + routing.strategy() + " shared " + shared,
                            new Architecture(TinyModels.mixture(8, 5, shared, 0.2), routing, balance)));
                }
            }
        }
        trials.add(new Trial(
                "normalised before dropping",
                new Architecture(
                        TinyModels.mixture(8, 5, 0, 0),
                        new RoutingConfig(
                                RoutingConfig.Strategy.CAPACITY,
                                2,
                                0,
                                1,
                                -1,
                                true,
                                RoutingConfig.SecondExpert.SAMPLING,
                                true,
                                false),
                        new BalanceConfig(0.5, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.SUM, 0))));
        ModelConfig dense = TinyModels.mixture(8, 0, 0, 0.2);
        trials.add(new Trial("dense", new Architecture(dense, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT)));
        trials.add(new Trial(
                "dense, learned positions, untied output, dropout after the activation",
                new Architecture(
                        dense.withEmbeddings(Positions.LEARNED, false).withActivationDropout(0.3),
                        RoutingConfig.DEFAULT,
                        BalanceConfig.DEFAULT)));
        trials.addAll(publishedOptions());
        return trials;
    }

    private static List<Trial> publishedOptions() {
        List<Trial> trials = new ArrayList<>();
        ModelConfig model = TinyModels.mixture(8, 5, 2, 0.2);
        BalanceConfig group = new BalanceConfig(0.5, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 0.3);
        trials.add(new Trial(
                "learned positions, untied output, dropout after the activation",
                new Architecture(
                        model.withEmbeddings(Positions.LEARNED, false).withActivationDropout(0.3),
                        TinyModels.capacity(2),
                        group)));
        for (BalanceConfig.Combine combine : BalanceConfig.Combine.values()) {
            for (BalanceConfig.Scope scope : BalanceConfig.Scope.values()) {
                trials.add(new Trial(
                        "−log of the " + combine + ", " + scope,
                        new Architecture(
                                model,
                                TinyModels.capacity(2),
                                new BalanceConfig(0.5, scope, combine, 0.3)
                                        .withTransform(BalanceConfig.Transform.NEG_LOG))));
            }
        }
        for (RoutingConfig.SecondExpert second : RoutingConfig.SecondExpert.values()) {
            for (boolean prioritized : List.of(false, true)) {
                for (boolean training : List.of(true, false)) {
                    RoutingConfig routing = new RoutingConfig(
                            RoutingConfig.Strategy.CAPACITY, 2, 0, 0.8, 0.3, prioritized, second, prioritized, true);
                    String name = "second expert " + second + (prioritized ? ", prioritised" : "")
                            + (training ? "" : ", evaluation");
                    trials.add(new Trial(name, new Architecture(model, routing, group), training));
                    trials.add(new Trial(
                            name + ", filled up",
                            new Architecture(model, routing.withPaddedSequences(7), group),
                            training));
                }
            }
        }
        return trials;
    }

    private static void check(Trial trial) {
        Architecture architecture = trial.architecture();
        TokenBatch batch =
                TinyModels.padded(TinyModels.batch(3, 4, 9, architecture.model().vocabulary()));
        PassContext pass = new PassContext(trial.training(), 0.1, new RandomKey(77), new long[] {4, 0, 9, 2});
        SplittableRandom random = new SplittableRandom(SEED);
        try (Scope _ = Scope.open();
                LanguageModel model =
                        LanguageModel.initialize(architecture, Precision.FP64, Device.CPU, new RandomKey(1))) {
            // A preceding step supplies the fractions of the global balance loss.
            loss(model, batch, pass);
            model.balanceTracker().endStep();
            spread(model);
            model.parameters().startGradients();
            try (Tape tape = Tape.recording()) {
                LossReport report = model.loss(tape, batch, pass);
                tape.backward(report.roots().toArray(Value[]::new));
            }
            model.parameters().finishGradients();
            for (Parameter parameter : model.parameters().all()) {
                try (Scope _ = Scope.open()) {
                    check(model, batch, pass, parameter, random);
                }
            }
        }
    }

    /** Moves norms and biases off their initial values, which would hide a wrong gradient, and sharpens the routers. */
    private static void spread(LanguageModel model) {
        RandomKey key = new RandomKey(8);
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                Tensor noise = parameter.master().emptyLike();
                key.fold(parameter.name()).fillNormal(noise, 0.2);
                parameter.master().addInPlace(noise);
            }
        }
        model.parameters().refresh();
    }

    private static void check(
            LanguageModel model, TokenBatch batch, PassContext pass, Parameter parameter, SplittableRandom random) {
        Tensor direction = parameter.master().emptyLike();
        new RandomKey(random.nextLong()).fillNormal(direction, 1);
        excludePadding(parameter, direction);
        double derivative = parameter.gradient().mul(direction).sum().item();
        double norm = direction.norm();
        double step = STEP / norm;
        parameter.master().addInPlace(direction.mul(step));
        double above = loss(model, batch, pass);
        parameter.master().addInPlace(direction.mul(-2 * step));
        double below = loss(model, batch, pass);
        parameter.master().addInPlace(direction.mul(step));
        double difference = (above - below) / (2 * step);
        assertThat(derivative).as(parameter.name()).isCloseTo(difference, within(1e-6 * norm));
        if (!parameter.name().endsWith("qkv_proj.bias")) {
            assertThat(parameter.gradient().norm()).as(parameter.name()).isGreaterThan(1e-4);
        }
    }

    /** Sets the rows of padding in a direction to zero. They get a zero gradient by definition. */
    static void excludePadding(Parameter parameter, Tensor direction) {
        if (parameter.name().equals(ModelParameters.EMBEDDING)) {
            direction.select(0, TinyModels.PADDING).zero();
        }
        if (parameter.name().equals(ModelParameters.POSITIONS)) {
            direction.select(0, SinusoidalPositions.PADDING_ROW).zero();
        }
    }

    private static double loss(LanguageModel model, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            return model.loss(tape, batch, pass).roots().stream()
                    .mapToDouble(root -> root.tensor().item())
                    .sum();
        }
    }
}
