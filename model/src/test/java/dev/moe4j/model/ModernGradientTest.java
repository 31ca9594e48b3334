package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.FeedForwardConfig;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.MultiplierConfig;
import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RopeConfig;
import dev.moe4j.model.spec.SharedExpertConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/**
 * Compares gradients with finite differences in float64, for architectures that are drawn from all parts: norms,
 * positions, grouped heads, biases, norms of queries and keys, gated networks, shared experts, gates and multipliers.
 * Each architecture runs with the fast and the reference sections, and with a drawn activation recomputation.
 */
class ModernGradientTest {

    private static final int ARCHITECTURES = 60;
    private static final double STEP = 1e-5;
    /** The largest difference of derivatives along a direction of length 1. */
    private static final double BOUND = 1e-6;

    @TestFactory
    Stream<DynamicTest> equalsFiniteDifferenceOfLosses() {
        return IntStream.range(0, ARCHITECTURES)
                .mapToObj(seed -> DynamicTest.dynamicTest("architecture " + seed, () -> check(seed)));
    }

    private static <T> T draw(SplittableRandom random, List<T> values) {
        return values.get(random.nextInt(values.size()));
    }

    private static Architecture architecture(SplittableRandom random) {
        boolean mixture = random.nextInt(3) > 0;
        int kvHeads = draw(random, List.of(0, 1, 2));
        int headWidth = draw(random, List.of(0, 2, 6));
        Activation activation = draw(random, List.of(Activation.GELU, Activation.SILU));
        ModelConfig model =
                TinyModels.mixture(8, mixture ? 5 : 0, random.nextInt(2), random.nextBoolean() ? 0.2 : 0).toBuilder()
                        .width(8)
                        .heads(4)
                        .positions(draw(random, List.of(Positions.values())))
                        .tied(random.nextBoolean())
                        .activation(activation)
                        .expertEvery(draw(random, List.of(1, 2)))
                        .norm(new NormConfig(draw(random, List.of(NormConfig.Kind.values())), 1e-5))
                        .rope(new RopeConfig(
                                draw(random, List.of(100.0, 10_000.0)), draw(random, List.of(1.0, 0.5, 0.67))))
                        .attention(new AttentionConfig(
                                kvHeads,
                                headWidth == 2 ? 4 : headWidth,
                                draw(random, List.of(AttentionConfig.Bias.values())),
                                draw(random, List.of(AttentionConfig.QkNorm.values())),
                                draw(random, List.of(0.0, 0.3))))
                        .feedForward(new FeedForwardConfig(random.nextBoolean(), random.nextBoolean()))
                        .shared(new SharedExpertConfig(draw(random, List.of(0, 7)), random.nextBoolean()))
                        .multipliers(new MultiplierConfig(
                                draw(random, List.of(0.0, 1.0, 3.0)),
                                draw(random, List.of(1.0, 0.4)),
                                draw(random, List.of(1.0, 0.5))))
                        .build();
        BalanceConfig balance = new BalanceConfig(
                0.5, draw(random, List.of(BalanceConfig.Scope.values())), BalanceConfig.Combine.MEAN, 0.3);
        GateConfig gate = new GateConfig(
                draw(random, List.of(GateConfig.Scores.values())),
                random.nextBoolean(),
                random.nextBoolean(),
                draw(random, List.of(1.0, 2.5)));
        return new Architecture(
                model, TinyModels.dropless(1 + random.nextInt(3)).withGate(gate), balance);
    }

    private static void check(int seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Architecture architecture;
        try {
            architecture = architecture(random);
        } catch (RuntimeException e) {
            // A drawn rotation can be too small for the drawn head. Another draw replaces it.
            check(seed + ARCHITECTURES);
            return;
        }
        TokenBatch batch =
                TinyModels.padded(TinyModels.batch(3, 4, 9, architecture.model().vocabulary()));
        PassContext pass = new PassContext(true, 0.1, new RandomKey(77), new long[] {4, 0, 9, 2});
        Recompute recompute = draw(random, List.of(Recompute.values()));
        for (boolean reference : List.of(false, true)) {
            try (Scope _ = Scope.open();
                    LanguageModel model =
                            LanguageModel.initialize(architecture, Precision.FP64, Device.CPU, new RandomKey(1))) {
                if (reference) {
                    model.useReferenceSections();
                }
                model.recompute(recompute);
                loss(model, batch, pass);
                model.balanceTracker().endStep();
                spread(model);
                model.parameters().startGradients();
                try (Tape tape = Tape.recording()) {
                    tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
                }
                model.parameters().finishGradients();
                for (Parameter parameter : model.parameters().all()) {
                    try (Scope _ = Scope.open()) {
                        check(model, batch, pass, parameter, random, architecture);
                    }
                }
            }
        }
    }

    /** Moves all parameters and buffers off their initial values, which would hide a wrong gradient. */
    private static void spread(LanguageModel model) {
        RandomKey key = new RandomKey(8);
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : model.parameters().all()) {
                Tensor noise = parameter.master().emptyLike();
                key.fold(parameter.name()).fillNormal(noise, 0.2);
                parameter.master().addInPlace(noise);
            }
            model.parameters()
                    .buffers()
                    .forEach(buffer -> key.fold(buffer.name()).fillNormal(buffer.tensor(), 0.2));
        }
        model.parameters().refresh();
    }

    private static void check(
            LanguageModel model,
            TokenBatch batch,
            PassContext pass,
            Parameter parameter,
            SplittableRandom random,
            Architecture architecture) {
        Tensor direction = parameter.master().emptyLike();
        new RandomKey(random.nextLong()).fillNormal(direction, 1);
        GradientTest.excludePadding(parameter, direction);
        double derivative = parameter.gradient().mul(direction).sum().item();
        double norm = direction.norm();
        double step = STEP / norm;
        parameter.master().addInPlace(direction.mul(step));
        double above = loss(model, batch, pass);
        parameter.master().addInPlace(direction.mul(-2 * step));
        double below = loss(model, batch, pass);
        parameter.master().addInPlace(direction.mul(step));
        double difference = (above - below) / (2 * step);
        assertThat(Math.abs(derivative - difference) / norm)
                .as("%s of %s", parameter.name(), architecture)
                .isLessThanOrEqualTo(BOUND);
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
