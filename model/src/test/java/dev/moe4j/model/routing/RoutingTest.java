package dev.moe4j.model.routing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.GatingGoldenTest;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.Logits;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Properties of every routing strategy and assignment, on random logits; a test's name contains its seed. */
class RoutingTest {

    private static final int CASES = 60;

    private static final List<RoutingConfig.SecondExpert> SECOND = List.of(RoutingConfig.SecondExpert.values());

    /** A random request and its configuration. */
    private record Trial(RoutingConfig config, Routing.Request request, int groupTokens) {

        static Trial random(long seed) {
            SplittableRandom random = new SplittableRandom(seed);
            int experts = random.nextInt(1, 12);
            int k = random.nextInt(1, Math.min(4, experts) + 1);
            int groups = random.nextInt(1, 4);
            int groupTokens = random.nextInt(1, 70);
            int tokens = groups * groupTokens;
            boolean capacity = random.nextBoolean();
            RoutingConfig.SecondExpert second =
                    capacity && k == 2 ? SECOND.get(random.nextInt(SECOND.size())) : RoutingConfig.SecondExpert.ALL;
            RoutingConfig config = new RoutingConfig(
                    capacity ? RoutingConfig.Strategy.CAPACITY : RoutingConfig.Strategy.DROPLESS,
                    k,
                    1,
                    random.nextDouble(0.3, 2),
                    random.nextBoolean() ? -1 : random.nextDouble(0.01, 1),
                    random.nextBoolean(),
                    second,
                    capacity && random.nextBoolean(),
                    true);
            // Few distinct values, so that ties occur.
            double[] logits =
                    random.ints((long) tokens * experts, -8, 9).asDoubleStream().toArray();
            boolean[] padding = new boolean[tokens];
            for (int i = 0; i < tokens; i++) {
                padding[i] = random.nextInt(5) == 0;
            }
            Routing.Request request = new Routing.Request(
                    Logits.of(logits, experts),
                    () -> softmax(logits, experts),
                    groups,
                    random.nextBoolean() ? padding : null,
                    random.nextBoolean(),
                    Routing.Noise.of(
                            new RandomKey(seed), LongStream.range(0, groups).toArray()));
            return new Trial(config, request, groupTokens);
        }

        Assignment assign() {
            return Routing.of(config).assign(request);
        }
    }

    @TestFactory
    Stream<DynamicTest> keepsItsPromises() {
        return LongStream.range(0, CASES)
                .mapToObj(seed -> DynamicTest.dynamicTest("seed " + seed, () -> {
                    Trial trial = Trial.random(seed);
                    Assignment assignment = trial.assign();
                    checkChoices(trial, assignment);
                    checkRows(assignment, AssignedRows::rounded, RoutingTest::rounded);
                    checkRows(
                            assignment,
                            AssignedRows::tight,
                            count -> count < AssignedRows.MULTIPLE ? powerOfTwo(count) : rounded(count));
                    if (trial.config().strategy() == RoutingConfig.Strategy.CAPACITY) {
                        checkPlaces(trial, assignment);
                    } else {
                        assertThat(assignment.kept()).isEqualTo(assignment.wanted());
                    }
                }));
    }

    /** Padding a batch with masked zeros equals adding tokens of zeros with a mask. */
    @TestFactory
    Stream<DynamicTest> paddingEqualsMaskedZeros() {
        return SECOND.stream()
                .flatMap(second -> Stream.of(true, false)
                        .map(training -> DynamicTest.dynamicTest(
                                second + (training ? "" : ", evaluation"), () -> checkFill(second, training))));
    }

    private static void checkFill(RoutingConfig.SecondExpert second, boolean training) {
        int tokens = 21;
        int fill = 14;
        int experts = 4;
        RoutingConfig config =
                new RoutingConfig(RoutingConfig.Strategy.CAPACITY, 2, 0, 1, 0.2, false, second, true, true);
        boolean[] padding = new boolean[tokens];
        padding[3] = true;
        boolean[] all = Arrays.copyOf(padding, tokens + fill);
        Arrays.fill(all, tokens, tokens + fill, true);
        double[] noise =
                new SplittableRandom(2).doubles((long) tokens * experts).toArray();
        Routing.Noise given = new Routing.Noise() {
            @Override
            public double[] gumbel(int count) {
                return Arrays.copyOf(noise, count);
            }

            @Override
            public double[] uniform(int count) {
                return Arrays.copyOf(noise, count);
            }
        };
        double[] logits =
                new SplittableRandom(1).doubles((long) tokens * experts, -2, 2).toArray();
        try (Scope _ = Scope.open();
                Parameters parameters = new Parameters(Precision.FP64, Device.CPU);
                Tape tape = Tape.inference()) {
            Parameter gate = GatingGoldenTest.identity(parameters, experts);
            RouteSection short_ = route(gate, config, given, tape, padding, fill, training, true);
            RouteSection long_ = route(gate, config, given, tape, all, 0, training, true);
            Tensor[] fewer = short_.forward(Tensor.of(logits).view(tokens, experts));
            Tensor[] more = long_.forward(
                    Tensor.of(Arrays.copyOf(logits, (tokens + fill) * experts)).view(tokens + fill, experts));
            assertThat(fewer[0].toDoubles())
                    .isEqualTo(more[0].narrow(0, 0, tokens).toDoubles());
            assertThat(fewer[1].item()).isEqualTo(more[1].item());
            assertThat(short_.figures().read(1))
                    .usingRecursiveComparison()
                    .isEqualTo(long_.figures().read(1));
            RouteSection weightsAlone = route(gate, config, given, tape, padding, fill, training, false);
            Tensor[] unmeasured = weightsAlone.forward(Tensor.of(logits).view(tokens, experts));
            assertThat(unmeasured).hasSize(1);
            assertThat(unmeasured[0].toDoubles()).isEqualTo(fewer[0].toDoubles());
            assertThat(short_.assignment().tokens()).isEqualTo(tokens);
            assertThat(short_.assignment().kept())
                    .isEqualTo(Arrays.copyOf(long_.assignment().kept(), 2 * tokens));
            assertThat(new AssignedRows(short_.assignment(), AssignedRows::rounded).filled())
                    .isEqualTo(new AssignedRows(long_.assignment(), AssignedRows::rounded).filled());
        }
    }

    private static RouteSection route(
            Parameter gate,
            RoutingConfig config,
            Routing.Noise noise,
            Tape tape,
            boolean[] padding,
            int fill,
            boolean training,
            boolean measured) {
        RouteSection.Setting setting =
                new RouteSection.Setting(1, padding, null, fill, training, noise, null, 1, 1, false, false, measured);
        return new RouteSection("route", gate, null, config, setting, tape, null);
    }

    private static void checkChoices(Trial trial, Assignment assignment) {
        int k = trial.config().topK();
        int experts = trial.request().experts();
        boolean[] padding = trial.request().padding();
        for (int token = 0; token < assignment.tokens(); token++) {
            long[] chosen = Arrays.copyOfRange(assignment.expertOf(), token * k, token * k + k);
            assertThat(Arrays.stream(chosen).distinct().count()).isEqualTo(k);
            if (trial.config().secondExpert() != RoutingConfig.SecondExpert.SAMPLING) {
                double[] logits = new double[experts];
                trial.request().logits().read(token, logits);
                long[] highest = IntStream.range(0, experts)
                        .boxed()
                        .sorted((a, b) -> Double.compare(logits[b], logits[a]))
                        .limit(k)
                        .mapToLong(Integer::longValue)
                        .toArray();
                assertThat(chosen).isEqualTo(highest);
            }
            for (int rank = 0; rank < k; rank++) {
                boolean masked = padding != null && padding[token];
                boolean thinned = trial.config().secondExpert() == RoutingConfig.SecondExpert.RANDOM && rank == 1;
                if (masked || !thinned) {
                    assertThat(assignment.wanted()[token * k + rank]).isEqualTo(!masked);
                }
            }
        }
    }

    private static int rounded(int count) {
        return Math.ceilDiv(count, AssignedRows.MULTIPLE) * AssignedRows.MULTIPLE;
    }

    private static int powerOfTwo(int count) {
        return IntStream.of(0, 1, 2, 4, 8, 16, 32)
                .filter(power -> power >= count)
                .findFirst()
                .orElseThrow();
    }

    /**
     * Every kept choice has exactly one row of its expert, every filled row has a kept choice, and rows are sorted by
     * expert.
     */
    private static void checkRows(Assignment assignment, IntUnaryOperator room, IntUnaryOperator expected) {
        AssignedRows rows = new AssignedRows(assignment, room);
        assertThat(rows.assignment()).isSameAs(assignment);
        int[] filledOf = new int[assignment.experts()];
        for (int choice = 0; choice < assignment.kept().length; choice++) {
            if (assignment.kept()[choice]) {
                int row = (int) rows.rowOf()[choice];
                int expert = (int) assignment.expertOf()[choice];
                assertThat(rows.choiceOf()[row]).isEqualTo(choice);
                assertThat(rows.filled()[row]).isTrue();
                assertThat(row).isBetween(rows.start(expert), rows.start(expert) + rows.size(expert) - 1);
                filledOf[expert]++;
            } else {
                assertThat(rows.rowOf()[choice]).isZero();
            }
        }
        int filled = 0;
        for (int row = 0; row < rows.count(); row++) {
            filled += rows.filled()[row] ? 1 : 0;
        }
        assertThat(filled).isEqualTo(Arrays.stream(filledOf).sum());
        assertThat(rows.choiceOf()).hasSize(rows.count());
        int end = 0;
        for (int e = 0; e < assignment.experts(); e++) {
            assertThat(assignment.count(e)).isEqualTo(filledOf[e]);
            assertThat(rows.start(e)).isEqualTo(end);
            end += rows.size(e);
            // Even without a kept choice, products get one row.
            boolean spare = filled == 0 && e == assignment.experts() - 1;
            assertThat(rows.size(e)).isEqualTo(expected.applyAsInt(spare ? 1 : filledOf[e]));
            for (int row = rows.start(e); row < rows.start(e) + rows.size(e); row++) {
                assertThat(rows.filled()[row]).isEqualTo(row < rows.start(e) + filledOf[e]);
            }
        }
        assertThat(rows.count()).isEqualTo(end).isPositive();
    }

    /** Three experts, two choices per token: 0 1, 2 0, 1 2 and so on, on the host and on the device. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void roundRobinLoadsExpertsEvenly(boolean onDevice) {
        try (Tape tape = Tape.inference();
                LanguageModel model = LanguageModel.initialize(
                        new Architecture(
                                new ModelConfig(2, 16, 2, 16, 32, 8, Activation.GELU, 0, 0, -1, 3, 2, 16, 0),
                                RoutingConfig.DEFAULT,
                                BalanceConfig.DEFAULT),
                        onDevice ? Precision.BF16 : Precision.FP32,
                        Device.CPU,
                        new RandomKey(1))) {
            model.routeOnDevice(onDevice);
            model.assignRoundRobin();
            LossReport report = model.loss(
                    tape, new TokenBatch(new long[6], new long[] {1, 2, 3, 4, 5, 6}, 1), PassContext.evaluation(1));
            RoutingCounts counts = report.routing().getFirst().counts();
            assertThat(counts.chosen()[0]).containsExactly(2, 2, 2);
            assertThat(counts.chosen()[1]).containsExactly(2, 2, 2);
            assertThat(counts.kept()).containsExactly(4, 4, 4);
        }
    }

    /**
     * Each expert's places in a group are 0, 1, 2, …, first choices before second ones, and the first places are kept.
     */
    private static void checkPlaces(Trial trial, Assignment assignment) {
        int k = trial.config().topK();
        int experts = trial.request().experts();
        long capacity = ((Routing.Capacity) Routing.of(trial.config()))
                .capacity(trial.groupTokens(), experts, trial.request().training());
        for (int group = 0; group < trial.request().groups(); group++) {
            for (int e = 0; e < experts; e++) {
                int expert = e;
                int from = group * trial.groupTokens() * k;
                int[] inOrder = IntStream.range(from, from + trial.groupTokens() * k)
                        .filter(choice ->
                                assignment.wanted()[choice] && assignment.expertOf()[choice] == expert)
                        .boxed()
                        .sorted((a, b) ->
                                Long.compare(assignment.placeOf()[a], assignment.placeOf()[b]))
                        .mapToInt(Integer::intValue)
                        .toArray();
                for (int place = 0; place < inOrder.length; place++) {
                    int choice = inOrder[place];
                    assertThat(assignment.placeOf()[choice]).isEqualTo(place);
                    assertThat(assignment.kept()[choice]).isEqualTo(place < capacity);
                    if (place > 0) {
                        int before = inOrder[place - 1];
                        assertThat(choice % k).isGreaterThanOrEqualTo(before % k);
                        if (choice % k == before % k) {
                            assertInTurn(trial, before / k, choice / k);
                        }
                    }
                }
            }
        }
    }

    private static void assertInTurn(Trial trial, int before, int token) {
        if (trial.config().batchPrioritized()) {
            assertThat(confidence(trial.request(), token)).isLessThanOrEqualTo(confidence(trial.request(), before));
        } else {
            assertThat(token).isGreaterThan(before);
        }
    }

    private static double confidence(Routing.Request request, int token) {
        int row = token * request.experts();
        return Arrays.stream(request.probabilities().get(), row, row + request.experts())
                .max()
                .orElseThrow();
    }

    @Test
    void capacityFollowsThePublishedFormulas() {
        assertThat(capacity(2, 1, -1, 40, 8, true)).isEqualTo(10);
        assertThat(capacity(2, 1, -1, 5, 16, true)).isEqualTo(2);
        assertThat(capacity(1, 1.5, -1, 40, 16, true)).isEqualTo(4);
        assertThat(capacity(2, 1, 0.05, 1024, 512, false)).isEqualTo(52);
        assertThat(capacity(2, 1, 0.05, 1024, 512, true)).isEqualTo(4);
        assertThat(capacity(2, 1, 0, 32, 8, false)).isEqualTo(8);
    }

    private static long capacity(int k, double factor, double fraction, int tokens, int experts, boolean training) {
        RoutingConfig config = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY,
                k,
                0,
                factor,
                fraction,
                false,
                RoutingConfig.SecondExpert.ALL,
                false,
                true);
        return new Routing.Capacity(config).capacity(tokens, experts, training);
    }

    @Test
    void noiseDoesNotDependOnOtherSequences() {
        RandomKey key = new RandomKey(5);
        double[] alone = Routing.Noise.of(key, new long[] {9}).gumbel(12);
        double[] among = Routing.Noise.of(key, new long[] {4, 9, 2}).gumbel(36);
        assertThat(Arrays.copyOfRange(among, 12, 24)).isEqualTo(alone);
        assertThat(Routing.Noise.of(key, new long[] {9}).uniform(12)).isNotEqualTo(alone);
    }

    @Test
    void batchPrioritizedRoutingPrefersTheConfident() {
        // Three tokens choose expert 0, which has one place; the second token is the most confident.
        double[] logits = {1, 0, 3, 0, 2, 0};
        RoutingConfig config = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 1, 0, 0.5, -1, false, RoutingConfig.SecondExpert.ALL, true, true);
        assertThat(kept(config, logits, null)).containsExactly(false, true, false);
        assertThat(kept(config, logits, new boolean[] {false, true, false})).containsExactly(false, false, true);
    }

    private static boolean[] kept(RoutingConfig config, double[] logits, boolean @Nullable [] padding) {
        return Routing.of(config)
                .assign(new Routing.Request(
                        Logits.of(logits, 2),
                        () -> softmax(logits, 2),
                        1,
                        padding,
                        true,
                        Routing.Noise.of(new RandomKey(0), new long[1])))
                .kept();
    }

    @Test
    void paddingOnlyBatchHasNoRowsButKeepsShapes() {
        Assignment assignment = Routing.of(RoutingConfig.DEFAULT)
                .assign(new Routing.Request(
                        Logits.of(new double[6], 3),
                        () -> softmax(new double[6], 3),
                        1,
                        new boolean[] {true, true},
                        true,
                        Routing.Noise.of(new RandomKey(0), new long[1])));
        assertThat(assignment.kept()).containsOnly(false);
        AssignedRows rows = new AssignedRows(assignment, AssignedRows::rounded);
        assertThat(rows.filled()).containsOnly(false);
        assertThat(rows.count()).isEqualTo(AssignedRows.MULTIPLE);
        RoutingStatistics statistics = RoutingCounts.of(assignment).statistics();
        assertThat(statistics.load()).containsOnly(0.0);
        assertThat(statistics.overflow()).containsOnly(0.0);
    }

    @Test
    void refusesInvalidConfigurations() {
        ModelConfig three = new ModelConfig(1, 8, 2, 8, 16, 8, Activation.GELU, 0, 0, -1, 3, 1, 8, 0);
        RoutingConfig four = new RoutingConfig(
                RoutingConfig.Strategy.DROPLESS, 4, 1, 1, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        assertThatThrownBy(() -> new Architecture(three, four, BalanceConfig.DEFAULT))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("routing.top_k: cannot choose 4 of 3 experts");
        assertThatThrownBy(() -> new ModelConfig(1, 8, 2, 8, 16, 8, Activation.GELU, 0, 0, -1, 3, 2, 8, 0))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(
                        "model.expert_every: 2 is more than the 1 layers, so no layer would have experts");
        assertThatThrownBy(() -> four.withPaddedSequences(2))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("routing.padded_sequences requires strategy capacity and group 0");
        assertThatThrownBy(() -> TinyModels.capacity(2).withPaddedSequences(-1))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining("routing.padded_sequences: -1 is negative");
        assertThatThrownBy(() -> three.withActivationDropout(1))
                .isInstanceOf(ModelException.class)
                .hasMessageContaining(
                        "model.activation_dropout: 1.0 is not a probability; use a number from 0 to below 1");
    }

    private static double[] softmax(double[] logits, int experts) {
        double[] p = new double[logits.length];
        for (int row = 0; row < logits.length; row += experts) {
            double sum = 0;
            for (int e = row; e < row + experts; e++) {
                p[e] = Math.exp(logits[e]);
                sum += p[e];
            }
            for (int e = row; e < row + experts; e++) {
                p[e] /= sum;
            }
        }
        return p;
    }
}
