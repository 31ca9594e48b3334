package dev.moe4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.EmbeddingSection;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.FastProducts;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

class LanguageModelTest {

    private static final int LENGTH = 20;

    private static Architecture dropless(int width, double dropout) {
        return new Architecture(
                TinyModels.mixture(width, 8, 1, dropout), TinyModels.dropless(2), BalanceConfig.DEFAULT);
    }

    private static LanguageModel model(Architecture architecture, Precision precision) {
        return LanguageModel.initialize(architecture, precision, Device.CPU, new RandomKey(42));
    }

    private static double[] nll(LanguageModel model, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            return model.loss(tape, batch, pass).nll().tensor().toDoubles();
        }
    }

    /**
     * Bitwise equal in bfloat16, whose products go through oneDNN at every length if the processor has the
     * instructions. float32 and float64 go through OpenBLAS, which sums short products in another order, so scores
     * agree to a few units in the last place.
     */
    @TestFactory
    Stream<DynamicTest> scoreDoesNotDependOnNeighbours() {
        return Stream.of(dropless(64, 0.1), TinyModels.modern(dropless(64, 0.1)))
                .flatMap(LanguageModelTest::scoreDoesNotDependOnNeighbours);
    }

    private static Stream<DynamicTest> scoreDoesNotDependOnNeighbours(Architecture architecture) {
        String name = architecture.model().positions() + ", ";
        return Stream.of(Precision.FP64, Precision.FP32, Precision.BF16)
                .flatMap(precision -> Stream.of(1, 2, 3, 7, LENGTH, 32)
                        .map(length -> DynamicTest.dynamicTest(name + precision.compute() + ", " + length, () -> {
                            FastProducts.assumeInstructions(precision.compute());
                            try (LanguageModel model = model(architecture, precision)) {
                                TokenBatch batch = TinyModels.batch(5, 7, length, 24);
                                double[] together = nll(model, batch, PassContext.evaluation(7));
                                for (int i = 0; i < 7; i++) {
                                    double[] alone =
                                            nll(model, TinyModels.sequence(batch, i), PassContext.evaluation(1));
                                    assertThat(alone)
                                            .as("sequence " + i)
                                            .usingComparatorWithPrecision(neighbourBound(precision))
                                            .containsExactly(
                                                    Arrays.copyOfRange(together, i * length, (i + 1) * length));
                                }
                            }
                        })));
    }

    private static double neighbourBound(Precision precision) {
        return switch (precision.compute()) {
            case FLOAT64 -> 1e-13;
            case FLOAT32 -> 1e-5;
            default -> 0;
        };
    }

    @TestFactory
    Stream<DynamicTest> dropoutDependsOnKeyAndSequence() {
        return Stream.of(Precision.FP32, Precision.BF16)
                .map(precision -> DynamicTest.dynamicTest(precision.compute().toString(), () -> {
                    try (LanguageModel model = model(dropless(64, 0.3), precision)) {
                        TokenBatch batch = TinyModels.batch(6, 3, LENGTH, 24);
                        PassContext pass = new PassContext(true, 1, new RandomKey(3), new long[] {11, 12, 13});
                        double[] first = nll(model, batch, pass);
                        assertThat(nll(model, batch, pass)).isEqualTo(first);
                        PassContext otherKey = new PassContext(true, 1, new RandomKey(4), new long[] {11, 12, 13});
                        assertThat(nll(model, batch, otherKey)).isNotEqualTo(first);
                        PassContext otherNumbers = new PassContext(true, 1, new RandomKey(3), new long[] {11, 12, 14});
                        double[] changed = nll(model, batch, otherNumbers);
                        // Different choices of the third sequence change the number of rows in the experts' products.
                        assertThat(Arrays.copyOf(changed, 2 * LENGTH))
                                .usingComparatorWithPrecision(neighbourBound(precision))
                                .containsExactly(Arrays.copyOf(first, 2 * LENGTH));
                        assertThat(changed).isNotEqualTo(first);
                        double[] alone = nll(
                                model,
                                TinyModels.sequence(batch, 1),
                                new PassContext(true, 1, new RandomKey(3), new long[] {12}));
                        assertThat(alone)
                                .usingComparatorWithPrecision(neighbourBound(precision))
                                .containsExactly(Arrays.copyOfRange(first, LENGTH, 2 * LENGTH));
                    }
                }));
    }

    @Test
    void paddingDoesNotChangeScores() {
        try (LanguageModel model = model(dropless(16, 0), Precision.FP64)) {
            TokenBatch plain = TinyModels.batch(9, 1, 10, 24);
            long[] before = new long[13];
            long[] after = new long[13];
            Arrays.fill(before, 0, 3, TinyModels.PADDING);
            Arrays.fill(after, 10, 13, TinyModels.PADDING);
            System.arraycopy(plain.tokens(), 0, before, 3, 10);
            System.arraycopy(plain.tokens(), 0, after, 0, 10);
            long[] targetsBefore = new long[13];
            long[] targetsAfter = new long[13];
            Arrays.fill(targetsBefore, TokenBatch.NONE);
            Arrays.fill(targetsAfter, TokenBatch.NONE);
            System.arraycopy(plain.targets(), 0, targetsBefore, 3, 10);
            System.arraycopy(plain.targets(), 0, targetsAfter, 0, 10);

            double[] wanted = nll(model, plain, PassContext.evaluation(1));
            double[] shifted = nll(model, new TokenBatch(before, targetsBefore, 1), PassContext.evaluation(1));
            double[] extended = nll(model, new TokenBatch(after, targetsAfter, 1), PassContext.evaluation(1));
            for (int i = 0; i < 10; i++) {
                assertThat(shifted[i + 3]).isCloseTo(wanted[i], org.assertj.core.api.Assertions.within(1e-12));
                assertThat(extended[i]).isCloseTo(wanted[i], org.assertj.core.api.Assertions.within(1e-12));
            }
            assertThat(shifted).startsWith(0, 0, 0);
        }
    }

    /**
     * A model with learned positions equal to the sines, and an output table equal to the embedding, computes the same
     * as the model without these tables. The gradient of the tied embedding is the sum of the two tables' gradients.
     */
    @Test
    void separateTablesEqualSharedOnes() {
        ModelConfig config = TinyModels.mixture(16, 4, 1, 0.2);
        TokenBatch batch = TinyModels.padded(TinyModels.batch(4, 3, LENGTH, 24));
        PassContext pass = new PassContext(true, 1, new RandomKey(3), new long[] {11, 12, 13});
        try (Scope _ = Scope.open();
                LanguageModel plain =
                        model(new Architecture(config, TinyModels.capacity(2), BalanceConfig.DEFAULT), Precision.FP64);
                LanguageModel own = model(
                        new Architecture(
                                config.withEmbeddings(Positions.LEARNED, false),
                                TinyModels.capacity(2),
                                BalanceConfig.DEFAULT),
                        Precision.FP64)) {
            own.parameter(ModelParameters.POSITIONS)
                    .master()
                    .copy(SinusoidalPositions.table(34, 16, SinusoidalPositions.PADDING_ROW));
            own.parameter(ModelParameters.HEAD)
                    .master()
                    .copy(plain.parameter(ModelParameters.EMBEDDING).master());
            own.parameters().refresh();
            assertThat(own.logits(batch, pass).toDoubles())
                    .isEqualTo(plain.logits(batch, pass).toDoubles());
            backward(plain, batch, pass);
            backward(own, batch, pass);
            assertThat(own.parameter(ModelParameters.EMBEDDING)
                            .gradient()
                            .add(own.parameter(ModelParameters.HEAD).gradient())
                            .toDoubles())
                    .usingComparatorWithPrecision(1e-12)
                    .containsExactly(plain.parameter(ModelParameters.EMBEDDING)
                            .gradient()
                            .toDoubles());
        }
    }

    private static void backward(LanguageModel model, TokenBatch batch, PassContext pass) {
        model.parameters().startGradients();
        try (Tape tape = Tape.recording()) {
            tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
        }
        model.parameters().finishGradients();
    }

    /** Loss = Σ nll − w · tokens · log G, with G the mean or the sum over layers. */
    @TestFactory
    Stream<DynamicTest> logarithmAppliesToTheCombinedBalanceLoss() {
        return Stream.of(BalanceConfig.Combine.values())
                .map(combine -> DynamicTest.dynamicTest(combine.toString(), () -> {
                    BalanceConfig balance = new BalanceConfig(0.3, BalanceConfig.Scope.GROUP, combine, 0)
                            .withTransform(BalanceConfig.Transform.NEG_LOG);
                    TokenBatch batch = TinyModels.padded(TinyModels.batch(4, 3, LENGTH, 24));
                    try (Scope _ = Scope.open();
                            LanguageModel model = model(
                                    new Architecture(TinyModels.mixture(16, 4, 0, 0), TinyModels.capacity(1), balance),
                                    Precision.FP64);
                            Tape tape = Tape.inference()) {
                        LossReport report = model.loss(tape, batch, PassContext.evaluation(3));
                        double loss = report.roots().stream()
                                .mapToDouble(root -> root.tensor().item())
                                .sum();
                        double nll = report.nll().tensor().sum().item();
                        double sum = report.routing().stream()
                                .mapToDouble(LayerRouting::balance)
                                .sum();
                        double combined = combine == BalanceConfig.Combine.SUM ? sum : sum / 3;
                        assertThat(loss)
                                .isCloseTo(
                                        nll - 0.3 * batch.predicted() * Math.log(combined),
                                        org.assertj.core.api.Assertions.within(1e-9));
                    }
                }));
    }

    /**
     * As published: positions start at row 2, row 1 belongs to padding and is zero, and both tables are N(0, 1/width).
     */
    @Test
    void tablesStartAsPublished() {
        ModelConfig config = TinyModels.mixture(64, 0, 0, 0).withEmbeddings(Positions.LEARNED, false);
        try (Scope _ = Scope.open();
                LanguageModel model =
                        model(new Architecture(config, RoutingConfig.DEFAULT, BalanceConfig.DEFAULT), Precision.FP32)) {
            Tensor positions = model.parameter("model.embed_positions.weight").master();
            Tensor head = model.parameter("lm_head.weight").master();
            assertThat(positions.shape()).containsExactly(32 + 2, 64);
            assertThat(positions.select(0, 1).norm()).isZero();
            assertThat(head.select(0, TinyModels.PADDING).norm()).isPositive();
            for (Tensor table : List.of(positions, head)) {
                double deviation = table.norm() / Math.sqrt((double) table.elements());
                assertThat(deviation).isCloseTo(1.0 / 8, org.assertj.core.api.Assertions.within(0.01));
            }
        }
    }

    /** Activation dropout is active in training only, in dense layers and in experts. */
    @TestFactory
    Stream<DynamicTest> activationDropoutDependsOnKeyAndSequence() {
        return Stream.of(0, 8)
                .map(experts -> DynamicTest.dynamicTest(experts + " experts", () -> {
                    ModelConfig config = TinyModels.mixture(64, experts, 0, 0).withActivationDropout(0.3);
                    try (LanguageModel model = model(
                            new Architecture(config, TinyModels.dropless(2), BalanceConfig.DEFAULT), Precision.FP64)) {
                        TokenBatch batch = TinyModels.batch(6, 3, LENGTH, 24);
                        PassContext pass = new PassContext(true, 1, new RandomKey(3), new long[] {11, 12, 13});
                        double[] first = nll(model, batch, pass);
                        assertThat(nll(model, batch, pass)).isEqualTo(first);
                        assertThat(nll(model, batch, PassContext.evaluation(3))).isNotEqualTo(first);
                        double[] alone = nll(
                                model,
                                TinyModels.sequence(batch, 1),
                                new PassContext(true, 1, new RandomKey(3), new long[] {12}));
                        assertThat(alone)
                                .usingComparatorWithPrecision(neighbourBound(Precision.FP64))
                                .containsExactly(Arrays.copyOfRange(first, LENGTH, 2 * LENGTH));
                    }
                }));
    }

    /** A short batch with padded sequences in the routers gives the same result as a full batch with real padding. */
    @Test
    void shortBatchIsPadded() {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 0, 1, 0.25, false, RoutingConfig.SecondExpert.ALL, false, true);
        BalanceConfig balance = new BalanceConfig(0.1, BalanceConfig.Scope.GROUP, BalanceConfig.Combine.MEAN, 0);
        ModelConfig config = TinyModels.mixture(16, 8, 0, 0);
        TokenBatch batch = TinyModels.batch(2, 3, LENGTH, 24);
        try (LanguageModel plain = model(new Architecture(config, routing, balance), Precision.FP64);
                LanguageModel filled =
                        model(new Architecture(config, routing.withPaddedSequences(6), balance), Precision.FP64);
                LanguageModel enough =
                        model(new Architecture(config, routing.withPaddedSequences(3), balance), Precision.FP64)) {
            double[] wanted = nll(plain, batch, PassContext.evaluation(3));
            assertThat(nll(enough, batch, PassContext.evaluation(3))).isEqualTo(wanted);
            // Twice the capacity, so fewer tokens are dropped.
            assertThat(overflow(filled, batch)).isLessThan(overflow(plain, batch));
            assertThat(nll(filled, batch, PassContext.evaluation(3))).isNotEqualTo(wanted);
        }
    }

    private static double overflow(LanguageModel model, TokenBatch batch) {
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            return model.loss(tape, batch, PassContext.evaluation(batch.sequences())).routing().stream()
                    .mapToDouble(layer -> layer.statistics().overflow()[0])
                    .sum();
        }
    }

    /** Sampled second experts depend only on the key and the sequence's number. */
    @TestFactory
    Stream<DynamicTest> sampledSecondExpertsDependOnKeyAndSequence() {
        return Stream.of(RoutingConfig.SecondExpert.SAMPLING, RoutingConfig.SecondExpert.RANDOM)
                .map(second -> DynamicTest.dynamicTest(second.toString(), () -> {
                    RoutingConfig routing =
                            new RoutingConfig(RoutingConfig.Strategy.CAPACITY, 2, 1, 1, 1, false, second, true, true);
                    ModelConfig config = TinyModels.mixture(16, 8, 0, 0);
                    try (LanguageModel model =
                            model(new Architecture(config, routing, BalanceConfig.DEFAULT), Precision.FP64)) {
                        TokenBatch batch = TinyModels.batch(6, 3, LENGTH, 24);
                        PassContext pass = new PassContext(false, 1, new RandomKey(3), new long[] {11, 12, 13});
                        double[] first = nll(model, batch, pass);
                        assertThat(nll(model, batch, pass)).isEqualTo(first);
                        PassContext otherKey = new PassContext(false, 1, new RandomKey(4), new long[] {11, 12, 13});
                        assertThat(nll(model, batch, otherKey)).isNotEqualTo(first);
                        double[] alone = nll(
                                model,
                                TinyModels.sequence(batch, 1),
                                new PassContext(false, 1, new RandomKey(3), new long[] {12}));
                        assertThat(alone)
                                .usingComparatorWithPrecision(neighbourBound(Precision.FP64))
                                .containsExactly(Arrays.copyOfRange(first, LENGTH, 2 * LENGTH));
                    }
                }));
    }

    /** Every bfloat16 gradient has the direction of the float32 gradient, within the precision of 8 bits. */
    @Test
    void bfloat16GradientsFollowFloat32Gradients() {
        List<double[]> wanted = gradients(Precision.FP32);
        List<double[]> actual = gradients(Precision.BF16);
        for (int i = 0; i < wanted.size(); i++) {
            double dot = 0;
            double a = 0;
            double b = 0;
            for (int j = 0; j < wanted.get(i).length; j++) {
                dot += wanted.get(i)[j] * actual.get(i)[j];
                a += wanted.get(i)[j] * wanted.get(i)[j];
                b += actual.get(i)[j] * actual.get(i)[j];
            }
            assertThat(dot / Math.sqrt(a * b)).as("gradient " + i).isGreaterThan(0.99);
        }
    }

    /** A frequent token's gradient is a long sum; in bfloat16 it would stop growing at 256. */
    @Test
    void frequentTokensGradientIsSummedInFullPrecision() {
        int width = 4;
        int tokens = 5000;
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(Precision.BF16, Device.CPU);
                Tape tape = Tape.recording()) {
            parameters.add(
                    "embedding",
                    List.of(Parameter.Spec.ofEqualParts(
                            "embedding",
                            List.of(8L, (long) width),
                            List.of("embedding"),
                            false,
                            (part, key) -> {},
                            true)));
            Parameter embedding = parameters.get("embedding");
            PassContext pass = PassContext.evaluation(1);
            Value x = tape.run(
                    new EmbeddingSection(
                            embedding,
                            Tensor.zeros(DType.BFLOAT16, Device.CPU, 1, width),
                            2,
                            TinyModels.PADDING,
                            new Dropout(0, pass, "embedding")),
                    tape.constant(Tensor.full(5, DType.INT64, Device.CPU, 1, tokens)),
                    tape.constant(Tensor.zeros(DType.INT64, Device.CPU, 1, tokens)));
            Tensor ones = tape.constant(Tensor.full(1, DType.BFLOAT16, Device.CPU, tokens, width))
                    .tensor();
            parameters.startGradients();
            tape.backward(tape.run(new Dot(ones), x));
            assertThat(embedding.gradient().select(0, 5).toDoubles()).containsOnly(2.0 * tokens);
            assertThat(embedding.gradient().select(0, 4).toDoubles()).containsOnly(0.0);
        }
    }

    private static List<double[]> gradients(Precision precision) {
        // Every token goes to every expert, so rounding cannot change a choice; one token makes up most of the batch.
        Architecture architecture = new Architecture(
                TinyModels.mixture(32, 3, 1, 0),
                TinyModels.dropless(3),
                new BalanceConfig(0.01, BalanceConfig.Scope.GLOBAL, BalanceConfig.Combine.MEAN, 0.001));
        TokenBatch batch = TinyModels.batch(2, 64, 32, 24);
        for (int i = 0; i < batch.tokens().length; i += 2) {
            batch.tokens()[i] = 5;
        }
        try (Scope _ = Scope.open();
                LanguageModel model = model(architecture, precision);
                Tape tape = Tape.recording()) {
            model.parameters().startGradients();
            PassContext pass = new PassContext(true, 1e-3, new RandomKey(0), new long[64]);
            tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
            model.parameters().finishGradients();
            return model.parameters().all().stream()
                    .map(Parameter::gradient)
                    .map(gradient -> gradient.toDoubles())
                    .toList();
        }
    }

    /**
     * Loss, per-token losses, router outputs and router weights stay in the wide type; activations are in the compute
     * type.
     */
    @Test
    void lossesAndRoutersAreInFloat32AtLeast() {
        for (Precision precision : List.of(Precision.BF16, Precision.FP16, Precision.FP32, Precision.FP64)) {
            DType stable = precision.compute() == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32;
            try (LanguageModel model = model(dropless(16, 0.1), precision);
                    Scope _ = Scope.open();
                    Tape tape = Tape.recording()) {
                LossReport report = model.loss(
                        tape,
                        TinyModels.batch(1, 2, LENGTH, 24),
                        new PassContext(true, 1, new RandomKey(0), new long[2]));
                assertThat(report.roots())
                        .hasSizeGreaterThan(2)
                        .allSatisfy(root -> assertThat(root.tensor().dtype()).isEqualTo(stable));
                assertThat(report.nll().tensor().dtype()).isEqualTo(stable);
                assertThat(report.hidden().getLast().tensor().dtype()).isEqualTo(precision.compute());
                assertThat(model.parameter("model.layers.0.moe.gate.weight")
                                .tensor()
                                .dtype())
                        .isEqualTo(stable);
            }
        }
    }

    @Test
    void refusesSequencesBeyondTheContext() {
        try (LanguageModel model = model(dropless(8, 0), Precision.FP32)) {
            TokenBatch batch = TinyModels.batch(1, 1, 33, 24);
            assertThatThrownBy(() -> nll(model, batch, PassContext.evaluation(1)))
                    .isInstanceOf(ModelException.class)
                    .hasMessage("sequences of 33 tokens are longer than the model's context of 32");
        }
    }

    @Test
    void freesAllTensors() {
        long before = Scope.liveTensors();
        try (LanguageModel model = model(dropless(16, 0.1), Precision.BF16)) {
            TokenBatch batch = TinyModels.batch(1, 2, LENGTH, 24);
            PassContext pass = new PassContext(true, 1, new RandomKey(0), new long[2]);
            long inUse = -1;
            for (int step = 0; step < 4; step++) {
                try (Scope _ = Scope.open();
                        Tape tape = Tape.recording()) {
                    model.parameters().startGradients();
                    tape.backward(model.loss(tape, batch, pass).roots().toArray(Value[]::new));
                    model.parameters().finishGradients();
                }
                assertThat(Scope.liveTensors()).isEqualTo(inUse < 0 ? Scope.liveTensors() : inUse);
                inUse = Scope.liveTensors();
            }
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }
}
