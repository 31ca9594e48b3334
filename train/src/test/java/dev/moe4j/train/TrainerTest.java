package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.train.config.BatchConfig;
import dev.moe4j.train.config.LossScaleConfig;
import dev.moe4j.train.config.OptimizerConfig;
import dev.moe4j.train.config.ScheduleConfig;
import dev.moe4j.train.config.TrainException;
import dev.moe4j.train.config.UpdateConvention;
import dev.moe4j.train.metrics.StepResult;
import dev.moe4j.train.optimizer.AdamW;
import dev.moe4j.train.optimizer.LossScale;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import javax.management.JMException;
import javax.management.ObjectName;
import org.junit.jupiter.api.Test;

class TrainerTest {

    private static final ScheduleConfig CONSTANT = ScheduleConfig.constant(5);

    private static Architecture architecture(int experts, double dropout) {
        ModelConfig model = new ModelConfig(
                2, 32, 2, 64, 64, 16, Activation.GELU, dropout, dropout, -1, experts, 2, experts > 0 ? 32 : 0, 0);
        return new Architecture(model, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT);
    }

    private static LanguageModel model(Architecture architecture, Precision precision) {
        return LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(3));
    }

    /** Sequences that count upwards from a start that depends on the sequence number; easy to learn. */
    private static void counting(long number, int[] tokens) {
        for (int i = 0; i < tokens.length; i++) {
            tokens[i] = (int) ((number * 7 + i) % 60);
        }
    }

    private static Trainer trainer(LanguageModel model, int accumulation) {
        return new Trainer(
                model,
                new BatchConfig(8, accumulation),
                OptimizerConfig.DEFAULT,
                CONSTANT,
                TrainerTest::counting,
                1,
                1000);
    }

    private static List<Double> losses(Trainer trainer, int steps) {
        List<Double> losses = new ArrayList<>();
        for (int i = 0; i < steps; i++) {
            losses.add(trainer.step().loss());
        }
        return losses;
    }

    @Test
    void learns() {
        for (int experts : new int[] {0, 4}) {
            try (LanguageModel model = model(architecture(experts, 0), Precision.FP32)) {
                List<Double> losses = losses(trainer(model, 1), 80);
                assertThat(losses.getFirst()).isGreaterThan(4);
                assertThat(losses.getLast()).isLessThan(0.5);
            }
        }
    }

    @Test
    void repeatsBitForBit() {
        for (Precision precision : List.of(Precision.FP32, Precision.BF16)) {
            try (LanguageModel first = model(architecture(4, 0.1), precision);
                    LanguageModel second = model(architecture(4, 0.1), precision)) {
                assertThat(losses(trainer(first, 1), 12)).isEqualTo(losses(trainer(second, 1), 12));
            }
        }
    }

    @Test
    void microBatchesGiveTheSameUpdate() {
        try (LanguageModel whole = model(architecture(4, 0.1), Precision.FP32);
                LanguageModel split = model(architecture(4, 0.1), Precision.FP32)) {
            Trainer one = trainer(whole, 1);
            Trainer four = trainer(split, 4);
            for (int i = 0; i < 5; i++) {
                StepResult a = one.step();
                StepResult b = four.step();
                assertThat(b.loss()).isCloseTo(a.loss(), within(1e-5 * a.loss()));
                // The first step lacks a previous one, so each micro-batch uses its own load balancing loss.
                if (i > 0) {
                    assertThat(b.gradientNorm()).isCloseTo(a.gradientNorm(), within(1e-3 * a.gradientNorm()));
                }
            }
        }
    }

    /** Sequences of 16, 9 and 4 tokens, with load balancing losses that weigh as much as the loss. */
    @Test
    void soTheyDoWhereSequencesAreOfDifferentLengths() {
        ModelConfig config = architecture(4, 0).model();
        Architecture balanced = new Architecture(
                config,
                RoutingConfig.DEFAULT,
                new BalanceConfig(1, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 1));
        Trainer.SequenceSource source = (number, tokens) -> {
            counting(number, tokens);
            int length = new int[] {16, 9, 4}[(int) (number % 3)];
            Arrays.fill(tokens, length + 1, tokens.length, TrainingSequences.NONE);
        };
        try (LanguageModel whole = model(balanced, Precision.FP64);
                LanguageModel split = model(balanced, Precision.FP64)) {
            Trainer one = new Trainer(whole, new BatchConfig(8, 1), OptimizerConfig.DEFAULT, CONSTANT, source, 1, 10);
            Trainer four = new Trainer(split, new BatchConfig(8, 4), OptimizerConfig.DEFAULT, CONSTANT, source, 1, 10);
            for (int i = 0; i < 3; i++) {
                StepResult a = one.step();
                StepResult b = four.step();
                assertThat(b.loss()).isCloseTo(a.loss(), within(1e-9));
                assertThat(b.gradientNorm()).isCloseTo(a.gradientNorm(), within(1e-9 * a.gradientNorm()));
            }
        }
    }

    @Test
    void bfloat16FollowsFloat32() {
        try (LanguageModel exact = model(architecture(4, 0), Precision.FP32);
                LanguageModel rounded = model(architecture(4, 0), Precision.BF16)) {
            List<Double> a = losses(trainer(exact, 1), 30);
            List<Double> b = losses(trainer(rounded, 1), 30);
            assertThat(b.getFirst()).isCloseTo(a.getFirst(), within(0.02));
            assertThat(b.getLast()).isCloseTo(a.getLast(), within(0.3));
        }
    }

    @Test
    void float16FollowsFloat32() {
        try (LanguageModel exact = model(architecture(4, 0), Precision.FP32);
                LanguageModel rounded = model(architecture(4, 0), Precision.FP16)) {
            List<Double> a = losses(trainer(exact, 1), 30);
            List<Double> b = losses(trainer(rounded, 1), 30);
            assertThat(b.getFirst()).isCloseTo(a.getFirst(), within(0.01));
            assertThat(b.getLast()).isCloseTo(a.getLast(), within(0.1));
        }
    }

    /** The gradient norm does not depend on the loss scale. */
    @Test
    void theLossScaleChangesNoFigure() {
        List<Double> norms = new ArrayList<>();
        for (double scale : new double[] {16, 1024}) {
            try (LanguageModel model = model(architecture(4, 0), Precision.FP16)) {
                Trainer trainer = trainer(model, 2).scaleLoss(new LossScaleConfig(scale, 1000, 1));
                StepResult result = trainer.step();
                assertThat(result.lossScale()).isEqualTo(scale);
                assertThat(result.loss()).isCloseTo(Math.log(64), within(1.0));
                norms.add(result.gradientNorm());
            }
        }
        assertThat(norms.getLast()).isCloseTo(norms.getFirst(), within(0.01 * norms.getFirst()));
    }

    @Test
    void aGradientThatOverflowsMakesNoUpdateAndHalvesTheScale() {
        try (LanguageModel model = model(architecture(4, 0), Precision.FP16)) {
            double first = 0x1p40;
            Trainer trainer = trainer(model, 1).scaleLoss(new LossScaleConfig(first, 4, 1));
            double[] before = model.parameters().all().getFirst().master().toDoubles();
            int skipped = 0;
            StepResult result = trainer.step();
            while (result.skipped() > skipped) {
                skipped++;
                assertThat(result.updates()).isZero();
                assertThat(result.gradientNorm()).isNotFinite();
                assertThat(result.lossScale()).isEqualTo(first / (1L << (skipped - 1)));
                assertThat(model.parameters().all().getFirst().master().toDoubles())
                        .isEqualTo(before);
                result = trainer.step();
            }
            assertThat(skipped).isGreaterThan(5);
            assertThat(result.updates()).isOne();
            assertThat(result.step()).isEqualTo(skipped + 1);
            assertThat(model.parameters().all().getFirst().master().toDoubles()).isNotEqualTo(before);
        }
    }

    @Test
    void theLossScaleDoublesAfterStepsWithoutOverflow() {
        try (LanguageModel model = model(architecture(0, 0), Precision.FP16)) {
            Trainer trainer = trainer(model, 1).scaleLoss(new LossScaleConfig(16, 4, 1));
            List<Double> scales = new ArrayList<>();
            for (int i = 0; i < 9; i++) {
                scales.add(trainer.step().lossScale());
            }
            assertThat(scales).containsExactly(16.0, 16.0, 16.0, 16.0, 32.0, 32.0, 32.0, 32.0, 64.0);
            assertThat(trainer.state().lossScale()).isEqualTo(new LossScale.State(64, 1));
        }
    }

    @Test
    void aLossScaleBelowItsFloorStopsTheRunWithAReason() {
        try (LanguageModel model = model(architecture(0, 0), Precision.FP16)) {
            Trainer trainer = trainer(model, 1).scaleLoss(new LossScaleConfig(0x1p60, 4, 0x1p59));
            assertThat(trainer.step().skipped()).isOne();
            assertThatThrownBy(trainer::step)
                    .isInstanceOf(TrainException.class)
                    .hasMessageStartingWith("step 2: gradients overflow in fp16 even at a loss scale of")
                    .hasMessageContaining("loss_scale.minimum");
        }
        assertThatThrownBy(() -> new LossScaleConfig(1, 10, 2)).hasMessageContaining("minimum");
        assertThatThrownBy(() -> new LossScaleConfig(2, 0, 1)).hasMessageContaining("loss_scale.growth_interval: 0");
        assertThatThrownBy(() -> new LossScale.State(Double.NaN, 0)).hasMessageContaining("NaN");
    }

    /** A trainer that continues with another trainer's state and parameters takes the same steps. */
    @Test
    void theLossScaleIsPartOfTheState() {
        LossScaleConfig config = new LossScaleConfig(0x1p24, 3, 1);
        try (LanguageModel model = model(architecture(0, 0), Precision.FP16)) {
            Trainer trainer = trainer(model, 1).scaleLoss(config);
            losses(trainer, 4);
            Trainer other = trainer(model, 1).scaleLoss(config);
            other.restore(trainer.state());
            assertThat(other.state()).isEqualTo(trainer.state());
            LossScale.State reached = Objects.requireNonNull(trainer.state().lossScale());
            assertThat(reached.scale()).isNotEqualTo(config.initial());
            assertThat(other.step().lossScale()).isEqualTo(reached.scale());
        }
    }

    /** This happens if a run is resumed in another precision. */
    @Test
    void aRunThatBeginsToScaleItsLossBeginsAtTheBeginning() {
        LossScaleConfig config = new LossScaleConfig(0x1p16, 3, 1);
        try (LanguageModel exact = model(architecture(0, 0), Precision.FP32);
                LanguageModel rounded = model(architecture(0, 0), Precision.FP16)) {
            Trainer unscaled = trainer(exact, 1);
            losses(unscaled, 2);
            assertThat(unscaled.state().lossScale()).isNull();
            Trainer scaled = trainer(rounded, 1).scaleLoss(config);
            scaled.restore(unscaled.state());
            assertThat(scaled.step().lossScale()).isEqualTo(config.initial());
            unscaled.restore(scaled.state());
            assertThat(unscaled.step().lossScale()).isEqualTo(1);
        }
    }

    /** This happens if a run is resumed with another batch.sequences: no sequence is skipped or repeated. */
    @Test
    void aBatchOfAnotherSizeBeginsWhereTheOtherEnded() {
        List<Long> asked = Collections.synchronizedList(new ArrayList<>());
        Trainer.SequenceSource source = (number, tokens) -> {
            asked.add(number);
            counting(number, tokens);
        };
        try (LanguageModel model = model(architecture(0, 0), Precision.FP32)) {
            Trainer large = trainer(model, 1);
            losses(large, 3);
            Trainer small = new Trainer(model, new BatchConfig(4, 2), OptimizerConfig.DEFAULT, CONSTANT, source, 1, 10);
            small.restore(large.state());
            losses(small, 1);
            assertThat(List.copyOf(asked).subList(0, 4)).containsExactly(24L, 25L, 26L, 27L);
            assertThat(small.state().sequences()).isEqualTo(28);
        }
    }

    @Test
    void memoryStaysFlat() throws JMException {
        try (LanguageModel model = model(architecture(4, 0.1), Precision.BF16)) {
            Trainer trainer = trainer(model, 2);
            trainer.step();
            long before = Scope.liveTensors();
            long objects = reachableTensors();
            for (int i = 0; i < 30; i++) {
                trainer.step();
                assertThat(Scope.liveTensors()).isEqualTo(before);
            }
            assertThat(reachableTensors() - objects).as("closed ones included").isLessThan(30);
        }
    }

    /** Counts the tensors on the Java heap after garbage collection. */
    private static long reachableTensors() throws JMException {
        String histogram = (String) ManagementFactory.getPlatformMBeanServer()
                .invoke(
                        new ObjectName("com.sun.management:type=DiagnosticCommand"),
                        "gcClassHistogram",
                        new Object[] {new String[0]},
                        new String[] {String[].class.getName()});
        return histogram
                .lines()
                .map(line -> line.strip().split("\\s+"))
                .filter(row -> row.length > 3 && row[3].equals(Tensor.class.getName()))
                .mapToLong(row -> Long.parseLong(row[1]))
                .sum();
    }

    @Test
    void clippingBoundsTheUpdateButNotTheReportedNorm() {
        OptimizerConfig clipped = new OptimizerConfig(1e-3, 0.9, 0.98, 1e-8, 0, UpdateConvention.PLAIN, 1e-3);
        try (LanguageModel model = model(architecture(0, 0), Precision.FP32)) {
            Trainer trainer =
                    new Trainer(model, new BatchConfig(8, 1), clipped, CONSTANT, TrainerTest::counting, 1, 1000);
            StepResult result = trainer.step();
            assertThat(result.gradientNorm()).isGreaterThan(0.1);
            // The optimizer scales the gradients in place.
            assertThat(AdamW.gradientNorm(model.parameters())).isCloseTo(1e-3, within(1e-6));
        }
    }

    @Test
    void aLossThatIsNoNumberStopsTheRunWithAReason() {
        try (LanguageModel model = model(architecture(0, 0), Precision.FP32)) {
            Parameter norm = model.parameters().get("model.layer_norm.weight");
            try (Scope _ = Scope.open()) {
                norm.master().fill(Double.NaN);
            }
            model.parameters().refresh();
            assertThatThrownBy(trainer(model, 1)::step)
                    .isInstanceOf(TrainException.class)
                    .hasMessageContaining("step 1")
                    .hasMessageContaining("NaN")
                    .hasMessageContaining("optimizer.learning_rate");
        }
    }

    /** The first update already learns, and the first one after the warm-up has the peak rate. */
    @Test
    void schedulesRiseAndFall() {
        ScheduleConfig linear =
                new ScheduleConfig(ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, 10, 0, 0.1, 1);
        assertRates(linear, 1, 0.1, 10, 1, 11, 1, 61, 0.55, 110, 0.109, 111, 0.1, 1000, 0.1);
        ScheduleConfig square =
                new ScheduleConfig(ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, 10, 0.5, 0, 2);
        assertRates(square, 1, 0.55, 10, 1, 11, 1, 61, 0.25, 111, 0);
        ScheduleConfig cosine = new ScheduleConfig(ScheduleConfig.Kind.COSINE, UpdateConvention.PLAIN, 10, 0, 0.1, 1);
        assertRates(cosine, 1, 0.1, 11, 1, 36, 0.1 + 0.9 * (2 + Math.sqrt(2)) / 4, 61, 0.55, 111, 0.1, 500, 0.1);
        ScheduleConfig root =
                new ScheduleConfig(ScheduleConfig.Kind.INVERSE_SQUARE_ROOT, UpdateConvention.PLAIN, 10, 0, 0, 1);
        assertRates(root, 1, 0.1, 10, 1, 11, 1, 41, 0.5, 1001, 0.1);
        assertRates(ScheduleConfig.constant(10), 1, 0.1, 10, 1, 11, 1, 5000, 1);
    }

    /** The published warm-up starts at its initial rate, except in the constant schedule. */
    @Test
    void publishedWarmUpsCountFromZero() {
        for (ScheduleConfig.Kind kind : ScheduleConfig.Kind.values()) {
            ScheduleConfig published = new ScheduleConfig(kind, UpdateConvention.PUBLISHED, 10, 0, 0, 1);
            double first = kind == ScheduleConfig.Kind.CONSTANT ? 0.1 : 0;
            assertRates(published, 1, first, 6, first + 0.5, 10, first + 0.9, 11, 1);
        }
    }

    private static void assertRates(ScheduleConfig schedule, double... updatesAndRates) {
        for (int i = 0; i < updatesAndRates.length; i += 2) {
            long update = (long) updatesAndRates[i];
            assertThat(schedule.rate(2, update, 110))
                    .as("%s, update %d", schedule, update)
                    .isCloseTo(2 * updatesAndRates[i + 1], within(1e-12));
        }
    }

    @Test
    void schedulesThatMakeNoSenseAreRefused() {
        assertThatThrownBy(() -> ScheduleConfig.constant(-1)).hasMessageContaining("schedule.warmup");
        assertThatThrownBy(() ->
                        new ScheduleConfig(ScheduleConfig.Kind.INVERSE_SQUARE_ROOT, UpdateConvention.PLAIN, 0, 0, 0, 1))
                .hasMessageContaining("use at least 1");
        assertThatThrownBy(() -> new ScheduleConfig(ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, 1, 2, 0, 1))
                .hasMessageContaining("schedule.initial_fraction: 2.0");
        assertThatThrownBy(() -> new ScheduleConfig(ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PLAIN, 1, 0, 0, 0))
                .hasMessageContaining("schedule.power: 0.0");
        assertThatThrownBy(() -> new BatchConfig(8, 3)).hasMessageContaining("accumulation must divide");
    }

    /** Only the published convention decays a layer norm: it changes one whose gradient is zero. */
    @Test
    void onlyThePublishedConventionDecaysLayerNorms() {
        for (UpdateConvention convention : UpdateConvention.values()) {
            OptimizerConfig decaying = new OptimizerConfig(1e-2, 0.9, 0.98, 1e-8, 0.5, convention, 0);
            try (LanguageModel model = model(architecture(0, 0), Precision.FP32)) {
                model.parameters().startGradients();
                model.parameters().finishGradients();
                new AdamW(decaying).update(model.parameters(), 1, 1e-2, 0, 1);
                float norm = model.parameters()
                        .get("model.layer_norm.weight")
                        .master()
                        .toFloats()[0];
                assertThat(norm).isEqualTo(convention == UpdateConvention.PLAIN ? 1 : 1 - 0.5f * 1e-2f);
            }
        }
    }

    @Test
    void paddingIsNotPredicted() {
        ModelConfig padded = new ModelConfig(1, 32, 2, 64, 64, 16, Activation.GELU, 0, 0, 63, 0, 2, 0, 0);
        try (LanguageModel model =
                model(new Architecture(padded, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT), Precision.FP32)) {
            Trainer.SequenceSource halfEmpty = (number, tokens) -> {
                counting(number, tokens);
                Arrays.fill(tokens, 9, tokens.length, 63);
            };
            StepResult result = new Trainer(
                            model, new BatchConfig(4, 2), OptimizerConfig.DEFAULT, CONSTANT, halfEmpty, 1, 10)
                    .step();
            assertThat(result.tokens()).isEqualTo(4 * 8);
            // Nats per predicted token, as in an untrained model.
            assertThat(result.loss()).isCloseTo(Math.log(64), within(1.0));
        }
    }
}
