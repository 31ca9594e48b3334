package dev.moe4j.model.decode;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.Agreement;
import dev.moe4j.model.Difference;
import dev.moe4j.model.Golden;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.PublishedModel;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.routing.LayerRouting;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A model with a KV cache computes the same as over complete sequences. */
class DecoderTest {

    private static final int VOCABULARY = 264;
    /** Beyond two blocks of attention. */
    private static final int CONTEXT = 150;

    private static Architecture architecture(int experts, Positions positions, RoutingConfig routing) {
        ModelConfig config = new ModelConfig(
                3, 64, 4, 96, VOCABULARY, CONTEXT, Activation.GELU, 0.1, 0.1, 1, experts, 2, 48, Math.min(1, experts));
        return new Architecture(
                config.withEmbeddings(positions, positions == Positions.SINUSOIDAL), routing, BalanceConfig.DEFAULT);
    }

    private static LanguageModel model(int experts, Precision precision) {
        return LanguageModel.initialize(
                architecture(experts, Positions.SINUSOIDAL, TinyModels.dropless(2)),
                precision,
                Device.CPU,
                new RandomKey(9));
    }

    private static int[] text(int seed, int length) {
        return new SplittableRandom(seed).ints(length, 2, VOCABULARY).toArray();
    }

    /** The logits of a pass over the complete sequence. */
    private static double[] full(LanguageModel model, int... tokens) {
        long[] wide = Arrays.stream(tokens).asLongStream().toArray();
        try (Scope _ = Scope.open()) {
            return model.logits(new TokenBatch(wide, wide, 1)).toDoubles();
        }
    }

    private static double[] extend(Decoder decoder, int[]... tokens) {
        try (Scope _ = Scope.open()) {
            return decoder.extend(tokens).toDoubles();
        }
    }

    private static double[] next(Decoder decoder) {
        try (Scope _ = Scope.open()) {
            return decoder.next().toDoubles();
        }
    }

    private static double[] rows(double[] logits, int from, int to) {
        return Arrays.copyOfRange(logits, from * VOCABULARY, to * VOCABULARY);
    }

    private static void assertSame(double[] actual, double[] expected, Precision precision) {
        double bound = switch (precision.compute()) {
            case FLOAT64 -> 1e-13;
            case FLOAT32 -> 1e-5;
            default -> 2e-2;
        };
        assertThat(actual).hasSameSizeAs(expected);
        assertThat(Difference.relative(actual, expected)).isLessThan(bound);
        if (!precision.equals(Precision.BF16)) {
            for (int from = 0; from < actual.length; from += VOCABULARY) {
                assertThat(best(actual, from)).isEqualTo(best(expected, from));
            }
        }
    }

    private static int best(double[] logits, int from) {
        int best = from;
        for (int i = from; i < from + VOCABULARY; i++) {
            best = logits[i] > logits[best] ? i : best;
        }
        return best - from;
    }

    @TestFactory
    Stream<DynamicTest> logitsEqualACompletePass() {
        return Stream.of(Precision.FP64, Precision.FP32, Precision.BF16)
                .flatMap(precision -> Stream.of(0, 4).map(experts -> {
                    String name = precision.compute() + ", " + experts + " experts";
                    return DynamicTest.dynamicTest(name, () -> {
                        try (LanguageModel model = model(experts, precision)) {
                            matchesWholePass(model, precision);
                        }
                    });
                }));
    }

    private static void matchesWholePass(LanguageModel model, Precision precision) {
        int[] text = text(1, CONTEXT);
        double[] expected = full(model, text);
        try (Decoder decoder = Decoder.of(model, 1, CONTEXT)) {
            int at = 0;
            // In one pass, token by token, and in chunks beyond a block of attention.
            for (int count : new int[] {9, 1, 1, 1, 5, 20, 70, 1, 42}) {
                double[] logits = extend(decoder, Arrays.copyOfRange(text, at, at + count));
                assertSame(logits, rows(expected, at, at + count), precision);
                at += count;
                assertThat(decoder.length(0)).isEqualTo(at);
                assertSame(next(decoder), rows(expected, at - 1, at), precision);
            }
            assertThat(at).isEqualTo(CONTEXT);
        }
    }

    /** A few tokens of a narrow model run on one thread. */
    @ParameterizedTest
    @CsvSource({"64, 1, 1", "64, 2, 1", "64, 50, 3", "512, 1, 3"})
    void fewTokensUseOneThread(int width, int tokens, int threads) {
        ModelConfig config =
                new ModelConfig(1, width, 2, width, VOCABULARY, CONTEXT, Activation.GELU, 0, 0, 1, 0, 2, 48, 0);
        int before = Libtorch.threads();
        Libtorch.threads(3);
        try (Scope _ = Scope.open();
                LanguageModel model = LanguageModel.initialize(
                        new Architecture(config, TinyModels.dropless(1), BalanceConfig.DEFAULT),
                        Precision.FP32,
                        Device.CPU,
                        new RandomKey(3));
                Decoder decoder = Decoder.of(model, 1, CONTEXT)) {
            Tensor done = decoder.onThreadsFor(tokens, () -> {
                assertThat(Libtorch.threads()).isEqualTo(threads);
                return Tensor.zeros(DType.FLOAT32, Device.CPU, 1);
            });
            assertThat(done.elements()).isOne();
        } finally {
            Libtorch.threads(before);
        }
    }

    @Test
    void learnedPositionsCountOn() {
        Architecture learned = architecture(0, Positions.LEARNED, TinyModels.dropless(2));
        try (LanguageModel model = LanguageModel.initialize(learned, Precision.FP64, Device.CPU, new RandomKey(2))) {
            matchesWholePass(model, Precision.FP64);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void sequencesOfDifferentLengthsAreIndependent(int experts) {
        try (LanguageModel model = model(experts, Precision.FP32)) {
            int[][] texts = {text(1, 31), text(2, 4), text(3, 90), text(4, 12)};
            int[][] cuts = {{10, 11, 31}, {0, 3, 4}, {80, 81, 90}, {12, 12, 12}};
            int[] done = new int[texts.length];
            try (Decoder decoder = Decoder.of(model, texts.length, 90)) {
                for (int round = 0; round < 3; round++) {
                    int[][] pieces = new int[texts.length][];
                    for (int i = 0; i < texts.length; i++) {
                        pieces[i] = Arrays.copyOfRange(texts[i], done[i], cuts[i][round]);
                    }
                    double[] logits = extend(decoder, pieces);
                    int at = 0;
                    for (int i = 0; i < texts.length; i++) {
                        int count = pieces[i].length;
                        if (count > 0) {
                            assertSame(
                                    rows(logits, at, at + count),
                                    rows(full(model, texts[i]), done[i], done[i] + count),
                                    Precision.FP32);
                        }
                        at += count;
                        done[i] = cuts[i][round];
                        assertThat(decoder.length(i)).isEqualTo(done[i]);
                    }
                }
                double[] next = next(decoder);
                for (int i = 0; i < texts.length; i++) {
                    double[] expected = full(model, texts[i]);
                    assertSame(
                            rows(next, i, i + 1), rows(expected, texts[i].length - 1, texts[i].length), Precision.FP32);
                }
            }
        }
    }

    /**
     * A token's result does not depend on the number of sequences. It is bitwise equal if products go through oneDNN.
     */
    @Test
    void sequenceAloneGetsTheSameResult() {
        try (LanguageModel model = model(4, Precision.BF16);
                Decoder many = Decoder.of(model, 5, 40);
                Decoder alone = Decoder.of(model, 1, 40)) {
            int[][] texts = new int[5][];
            Arrays.setAll(texts, i -> text(i, 30));
            many.append(texts);
            alone.append(texts[3]);
            assertThat(next(alone)).isEqualTo(rows(next(many), 3, 4));
            many.append(new int[] {5}, new int[] {6}, new int[] {7}, new int[] {8}, new int[] {9});
            alone.append(new int[] {8});
            assertThat(next(alone)).isEqualTo(rows(next(many), 3, 4));
        }
    }

    @Test
    void clearedDecoderStartsOver() {
        try (LanguageModel model = model(0, Precision.FP64);
                Decoder decoder = Decoder.of(model, 1, 40)) {
            decoder.append(text(1, 40));
            decoder.clear();
            assertThat(decoder.length(0)).isZero();
            assertFails(decoder::next, "sequence 0 is empty");
            assertSame(extend(decoder, text(2, 5)), full(model, text(2, 5)), Precision.FP64);
        }
    }

    /**
     * One sequence ends and another takes its place while its neighbours continue; a last one takes part in no pass.
     */
    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void sequencesAreReplacedIndependently(int experts) {
        try (LanguageModel model = model(experts, Precision.FP64);
                Decoder decoder = Decoder.of(model, 4, 60)) {
            decoder.appendFrom(0, text(1, 12), text(2, 50));
            decoder.clear(1);
            decoder.appendFrom(2, text(3, 7));
            decoder.appendFrom(1, text(4, 33));
            decoder.appendFrom(0, new int[] {5}, new int[] {6}, new int[] {7});

            assertThat(IntStream.range(0, 4).map(decoder::length)).containsExactly(13, 34, 8, 0);
            double[] next;
            try (Scope _ = Scope.open()) {
                next = decoder.nextOf(2, 0, 1).toDoubles();
            }
            assertContinues(model, rows(next, 0, 1), text(3, 7), new int[] {7});
            assertContinues(model, rows(next, 1, 2), text(1, 12), new int[] {5});
            assertContinues(model, rows(next, 2, 3), text(4, 33), new int[] {6});
            try (Scope _ = Scope.open()) {
                int[] whole = concat(text(4, 33), new int[] {6}, text(5, 4));
                assertSame(
                        decoder.extendFrom(1, text(5, 4)).toDoubles(),
                        rows(full(model, whole), 34, 38),
                        Precision.FP64);
            }
            assertFails(() -> decoder.nextOf(0, 3), "sequence 3 is empty");
            assertFails(() -> decoder.appendFrom(3, text(1, 1), text(1, 1)), "tokens for 2 sequences from sequence 3");
        }
    }

    /** The expert load equals that of a pass over the complete sequence, routed on the device or on the host. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void expertsAreCounted(boolean onDevice) {
        try (LanguageModel model = model(4, Precision.FP64);
                Decoder decoder = Decoder.of(model, 2, 40)) {
            model.routeOnDevice(onDevice);
            decoder.append(text(1, 12), text(2, 5));
            decoder.clear(0);
            decoder.append(new int[0], new int[] {9});
            double[][] load = decoder.expertLoad();

            double[][] expected = new double[model.config().moeLayers()][4];
            for (int[] text : List.of(text(1, 12), concat(text(2, 5), new int[] {9}))) {
                long[] wide = Arrays.stream(text).asLongStream().toArray();
                try (Scope _ = Scope.open();
                        Tape tape = Tape.inference()) {
                    List<LayerRouting> layers = model.loss(
                                    tape, new TokenBatch(wide, wide, 1), PassContext.evaluation(1))
                            .routing();
                    for (int layer = 0; layer < expected.length; layer++) {
                        double[] kept = layers.get(layer).counts().kept();
                        for (int expert = 0; expert < 4; expert++) {
                            expected[layer][expert] += kept[expert];
                        }
                    }
                }
            }
            assertThat(load).isDeepEqualTo(expected);
            assertThat(Arrays.stream(load[0]).sum()).isEqualTo(2 * 18);
        }
        try (LanguageModel dense = model(0, Precision.FP32);
                Decoder decoder = Decoder.of(dense, 1, 40)) {
            decoder.append(text(1, 3));
            assertThat(decoder.expertLoad()).isEmpty();
        }
    }

    /** Masked places are read, so a NaN there would spoil every later sequence. */
    @Test
    void clearingRemovesNaN() {
        try (LanguageModel model = model(0, Precision.FP32);
                Decoder decoder = Decoder.of(model, 2, 40)) {
            Tensor gain = model.parameters()
                    .get("model.layers.0.self_attn_layer_norm.weight")
                    .tensor();
            double[] before;
            try (Scope _ = Scope.open()) {
                before = gain.toDoubles();
                gain.fill(Double.NaN);
                decoder.append(text(1, 30), text(2, 3));
                assertThat(next(decoder)).contains(Double.NaN);
                gain.copy(Tensor.of(before));
            }
            decoder.clear();
            decoder.append(text(3, 5), text(4, 2));
            assertSame(rows(next(decoder), 0, 1), rows(full(model, text(3, 5)), 4, 5), Precision.FP32);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void forksDoNotDisturbEachOther(int experts) {
        try (LanguageModel model = model(experts, Precision.FP64);
                Decoder prefix = Decoder.of(model, 2, 50)) {
            int[] first = text(1, 20);
            int[] second = text(2, 33);
            prefix.append(first, second);
            int[] a = text(3, 40);
            int[] b = text(4, 7);
            try (Decoder fork = prefix.fork(90, 1, 0, 1)) {
                assertThat(fork.sequences()).isEqualTo(3);
                assertThat(fork.capacity()).isEqualTo(90);
                fork.append(a, b, b);
                prefix.append(text(5, 3), new int[] {4});
                try (Decoder grandchild = fork.fork(90, 2)) {
                    grandchild.append(a);
                    assertContinues(model, next(grandchild), second, b, a);
                }
                double[] next = next(fork);
                assertContinues(model, rows(next, 0, 1), second, a);
                assertContinues(model, rows(next, 1, 2), first, b);
                assertContinues(model, rows(next, 2, 3), second, b);
            }
            double[] next = next(prefix);
            assertContinues(model, rows(next, 0, 1), first, text(5, 3));
            assertContinues(model, rows(next, 1, 2), second, new int[] {4});
        }
    }

    private static void assertContinues(LanguageModel model, double[] logits, int[]... parts) {
        int[] whole = Stream.of(parts).flatMapToInt(Arrays::stream).toArray();
        assertSame(logits, rows(full(model, whole), whole.length - 1, whole.length), Precision.FP64);
    }

    /** Several continuations of one prefix score the same as in a pass over the complete sequences. */
    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void scoresEqualLossesOfACompletePass(int experts) {
        try (LanguageModel model = model(experts, Precision.FP64);
                Decoder prefix = Decoder.of(model, 1, 25)) {
            int[] shared = text(1, 25);
            int[][] candidates = {text(2, 1), text(3, 8), {}, text(4, 3)};
            prefix.append(shared);
            try (Decoder fork = prefix.fork(33, 0, 0, 0, 0)) {
                double[][] nats = fork.score(candidates);
                double[][] more = fork.score(new int[][] {{7}, {}, {9, 10}, {11}});
                for (int i = 0; i < candidates.length; i++) {
                    int[] whole = concat(shared, candidates[i], new int[][] {{7}, {}, {9, 10}, {11}}[i]);
                    double[] expected = losses(model, whole);
                    double[] actual = concat(nats[i], more[i]);
                    assertThat(actual)
                            .containsExactly(
                                    Arrays.copyOfRange(expected, shared.length - 1, whole.length - 1), within(1e-12));
                }
            }
        }
    }

    private static int[] concat(int[]... parts) {
        return Stream.of(parts).flatMapToInt(Arrays::stream).toArray();
    }

    private static double[] concat(double[]... parts) {
        return Stream.of(parts).flatMapToDouble(Arrays::stream).toArray();
    }

    /** −ln p of every token but the first. */
    private static double[] losses(LanguageModel model, int... tokens) {
        long[] wide = Arrays.stream(tokens).asLongStream().toArray();
        TokenBatch batch =
                new TokenBatch(Arrays.copyOf(wide, wide.length - 1), Arrays.copyOfRange(wide, 1, wide.length), 1);
        try (Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            return model.loss(tape, batch, PassContext.evaluation(1))
                    .nll()
                    .tensor()
                    .toDoubles();
        }
    }

    /** Under a capacity, neighbours change a token's result in a complete pass, but not in a decoder. */
    @Test
    void expertsHaveNoCapacity() {
        RoutingConfig capacity = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 0, 1, 0.05, false, RoutingConfig.SecondExpert.RANDOM, true, true);
        int[] text = text(1, 40);
        try (LanguageModel tight = LanguageModel.initialize(
                        architecture(4, Positions.SINUSOIDAL, capacity), Precision.FP64, Device.CPU, new RandomKey(9));
                LanguageModel dropless = model(4, Precision.FP64);
                Decoder decoder = Decoder.of(tight, 1, 40)) {
            assertSame(extend(decoder, text), full(dropless, text), Precision.FP64);
            assertThat(full(tight, text)).isNotEqualTo(full(dropless, text));
        }
    }

    @Test
    void freesAllTensors() {
        try (LanguageModel model = model(4, Precision.BF16)) {
            long before = Scope.liveTensors();
            try (Decoder decoder = Decoder.of(model, 2, 40)) {
                decoder.append(text(1, 3), text(2, 5));
                long open = Scope.liveTensors();
                for (int i = 0; i < 8; i++) {
                    decoder.append(new int[] {i + 2}, new int[0]);
                    decoder.score(new int[] {i + 3}, new int[] {4, 5});
                    next(decoder);
                    decoder.fork(40, 1, 1).close();
                    assertThat(Scope.liveTensors()).isEqualTo(open);
                }
            }
            assertThat(Scope.liveTensors()).isEqualTo(before);
        }
    }

    @Test
    void refusesInvalidArguments() {
        try (LanguageModel model = model(0, Precision.FP32);
                Decoder decoder = Decoder.of(model, 2, 10)) {
            assertFails(() -> Decoder.of(model, 1, CONTEXT + 1), "capacity of 151 tokens per sequence exceeds");
            assertFails(() -> Decoder.of(model, 0, 10), "cannot create a decoder of 0 sequences of 10 tokens");
            assertFails(decoder::next, "sequence 0 is empty, so nothing predicts its first token");
            assertFails(() -> decoder.score(new int[] {4}, new int[] {5}), "sequence 0 is empty");
            decoder.append(text(1, 9), text(2, 3));
            assertFails(
                    () -> decoder.append(text(1, 2), text(2, 1)),
                    "sequence 0 would have 11 tokens, but the decoder's capacity is 10 and the model's context 150");
            assertThat(decoder.length(0)).isEqualTo(9);
            assertFails(() -> decoder.append(text(1, 1)), "tokens for 1 sequences were given, but the decoder has 2");
            assertFails(() -> decoder.append(new int[0], new int[0]), "no tokens were given");
            assertFails(() -> decoder.append(new int[0], new int[] {264}), "sequence 1 has the token 264, but");
            assertFails(() -> decoder.append(new int[0], new int[] {1}), "sequence 1 has the padding token 1;");
            assertFails(() -> decoder.fork(8, 0), "sequence 0 has 9 tokens, more than its fork's capacity of 8");
        }
    }

    private static void assertFails(Runnable call, String message) {
        assertThatThrownBy(call::run).isInstanceOf(ModelException.class).hasMessageContaining(message);
    }

    /**
     * The published dense model's logits, token by token, and the published mixture's from a dropless pass over the
     * complete sequence.
     */
    @TestFactory
    Stream<DynamicTest> goldenLogits() {
        return Golden.tests("lm", golden -> {
            for (Precision precision : List.of(Precision.FP32, Precision.FP64)) {
                Architecture given = PublishedModel.architecture(golden);
                Architecture dropless =
                        new Architecture(given.model(), given.routing().dropless(), given.balance());
                int sequences = (int) golden.tensors().shape("src_tokens")[0];
                long[] tokens = golden.tensors().longs("src_tokens");
                TokenBatch batch = new TokenBatch(tokens, tokens, sequences);
                try (Scope _ = Scope.open();
                        LanguageModel model = PublishedModel.load(dropless, golden.weights(), precision, Device.CPU);
                        Decoder decoder = Decoder.of(model, 1, batch.length())) {
                    checkGolden(golden, precision, model, batch, decoder);
                }
            }
        });
    }

    private static void checkGolden(
            Golden.Case golden, Precision precision, LanguageModel model, TokenBatch batch, Decoder empty) {
        double[] whole = model.logits(batch).toDoubles();
        int length = batch.length();
        Tensor[] logits = new Tensor[batch.sequences() * length];
        for (int sequence = 0; sequence < batch.sequences(); sequence++) {
            try (Decoder decoder = empty.fork(length, 0)) {
                for (int i = 0; i < length; i++) {
                    int at = sequence * length + i;
                    int token = (int) batch.tokens()[at];
                    // Results after padding are not compared.
                    logits[at] = token == model.config().padding()
                            ? Tensor.of(rows(whole, at, at + 1)).view(1, -1)
                            : decoder.extend(new int[] {token}).to(DType.FLOAT64);
                }
            }
        }
        double[] stepped = Tensor.concat(0, logits).toDoubles();
        if (model.config().experts() == 0) {
            new Agreement(golden, precision).check("logits", stepped);
        }
        assertSame(stepped, whole, precision);
    }
}
