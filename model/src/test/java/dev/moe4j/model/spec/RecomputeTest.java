package dev.moe4j.model.spec;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.PeakMemory;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;

/** Activation recomputation does not change loss and gradients by a single bit. */
class RecomputeTest {

    private record Trial(String name, Architecture architecture) {}

    private static List<Trial> trials() {
        List<Trial> trials = new ArrayList<>();
        for (double dropout : List.of(0.0, 0.2)) {
            ModelConfig model = TinyModels.mixture(64, 4, 1, dropout).withActivationDropout(dropout);
            trials.add(new Trial(
                    "dropless, dropout " + dropout,
                    new Architecture(model, TinyModels.dropless(2), BalanceConfig.DEFAULT)));
            trials.add(new Trial(
                    "capacity, dropout " + dropout,
                    new Architecture(model, TinyModels.capacity(2), BalanceConfig.DEFAULT)));
        }
        // Without attention dropout, so attention runs in blocks; every second layer is dense.
        for (Activation activation : Activation.values()) {
            ModelConfig mixed =
                    new ModelConfig(4, 64, 2, 96, 24, 160, activation, 0.2, 0, TinyModels.PADDING, 4, 2, 32, 0);
            trials.add(new Trial(
                    "blocks, " + activation, new Architecture(mixed, TinyModels.dropless(1), BalanceConfig.DEFAULT)));
        }
        // Today's block, with attention in blocks and with unblocked attention, which attention dropout needs.
        for (double attentionDropout : List.of(0.0, 0.1)) {
            ModelConfig modern = new ModelConfig(
                            4,
                            64,
                            4,
                            96,
                            24,
                            160,
                            Activation.SILU,
                            0.2,
                            attentionDropout,
                            TinyModels.PADDING,
                            4,
                            2,
                            32,
                            1)
                    .toBuilder()
                            .positions(Positions.ROPE)
                            .activationDropout(0.2)
                            .norm(NormConfig.RMS)
                            .attention(new AttentionConfig(
                                    2, 0, AttentionConfig.Bias.NONE, AttentionConfig.QkNorm.HEAD, 0))
                            .feedForward(new FeedForwardConfig(true, false))
                            .shared(new SharedExpertConfig(0, true))
                            .multipliers(new MultiplierConfig(1, 0.5, 1))
                            .build();
            trials.add(new Trial(
                    "blocks, modern, attention dropout " + attentionDropout,
                    new Architecture(modern, TinyModels.dropless(2), BalanceConfig.DEFAULT)));
        }
        return trials;
    }

    @TestFactory
    Stream<DynamicTest> gradientsAreBitEqual() {
        return trials().stream()
                .flatMap(trial -> precisions(trial).stream()
                        .map(precision -> DynamicTest.dynamicTest(
                                trial.name() + ", " + precision.compute(), () -> check(trial, precision))));
    }

    /** Products in float16 are slow on a CPU. */
    private static List<Precision> precisions(Trial trial) {
        return trial.name().startsWith("blocks")
                ? List.of(Precision.FP32, Precision.BF16, Precision.FP16)
                : List.of(Precision.FP32, Precision.BF16);
    }

    private static void check(Trial trial, Precision precision) {
        ModelConfig config = trial.architecture().model();
        TokenBatch plain = TinyModels.batch(3, 2, config.context(), config.vocabulary());
        for (TokenBatch batch : List.of(plain, TinyModels.padded(plain))) {
            Map<String, double[]> wanted = gradients(trial.architecture(), precision, batch, Recompute.NONE);
            for (Recompute recompute : List.of(Recompute.SELECTIVE, Recompute.FULL)) {
                Map<String, double[]> got = gradients(trial.architecture(), precision, batch, recompute);
                wanted.forEach((name, gradient) ->
                        assertThat(got.get(name)).as(recompute + " " + name).isEqualTo(gradient));
            }
        }
    }

    /** The loss and all gradients after two micro-batches in the second of two steps. */
    private static Map<String, double[]> gradients(
            Architecture architecture, Precision precision, TokenBatch batch, Recompute recompute) {
        Map<String, double[]> results = new LinkedHashMap<>();
        try (LanguageModel model = LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
            model.recompute(recompute);
            long inUse = -1;
            for (int step = 0; step < 2; step++) {
                model.parameters().startGradients();
                for (int micro = 0; micro < 2; micro++) {
                    try (Scope _ = Scope.open();
                            Tape tape = Tape.recording()) {
                        PassContext pass = new PassContext(true, 0.1, new RandomKey(step), new long[] {4 + micro, 0});
                        LossReport report = model.loss(tape, batch, pass);
                        results.put("nll " + micro, report.nll().tensor().toDoubles());
                        tape.backward(report.roots().toArray(Value[]::new));
                    }
                }
                model.parameters().finishGradients();
                model.balanceTracker().endStep();
                assertThat(Scope.liveTensors()).isEqualTo(inUse < 0 ? Scope.liveTensors() : inUse);
                inUse = Scope.liveTensors();
            }
            for (Parameter parameter : model.parameters().all()) {
                results.put(parameter.name(), parameter.gradient().toDoubles());
            }
        }
        return results;
    }

    /** The head dominates this model; its logits in float32 would take 128 MiB. */
    @Test
    @EnabledOnOs(OS.LINUX)
    void logitsOfAllTokensNeverExist() {
        ModelConfig config =
                new ModelConfig(1, 64, 2, 64, 16384, 128, Activation.GELU, 0, 0, TinyModels.PADDING, 0, 1, 0, 0);
        Architecture architecture = new Architecture(config, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);
        TokenBatch batch = TinyModels.batch(1, 16, config.context(), config.vocabulary());
        long tokens = 16 * 128;
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            try (LanguageModel model =
                    LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(1))) {
                long training = PeakMemory.of(() -> run(model, batch, Tape.recording()));
                long inference = PeakMemory.of(() -> run(model, batch, Tape.inference()));
                long all = tokens * config.vocabulary() * 4;
                // Nine tenths, because the JVM may free some of its memory meanwhile.
                long part = HeadSection.rows(tokens, config.vocabulary(), false)
                        * config.vocabulary()
                        * precision.compute().bytes();
                assertThat(training).as(precision.toString()).isBetween(part * 9 / 10, all * 3 / 4);
                assertThat(inference).as(precision.toString()).isBetween(part * 9 / 10, all * 3 / 4);
            }
        }
    }

    private static void run(LanguageModel model, TokenBatch batch, Tape tape) {
        model.parameters().startGradients();
        try (Scope _ = Scope.open();
                tape) {
            PassContext pass = new PassContext(true, 1, new RandomKey(2), new long[batch.sequences()]);
            LossReport report = model.loss(tape, batch, pass);
            assertThat(report.nll().tensor().mean().item()).isPositive();
        }
    }
}
