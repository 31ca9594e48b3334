package dev.moe4j.eval.perplexity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.data.prepare.TokenText;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.EvalException;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.LossReport;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
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
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.text.DataException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PerplexityTest {
    private static final int CONTEXT = 16;
    private static final int VOCABULARY = 264;

    private static Architecture architecture(int experts, RoutingConfig routing) {
        return new Architecture(
                new ModelConfig(2, 32, 4, 64, VOCABULARY, CONTEXT, Activation.GELU, 0.1, 0.1, -1, experts, 2, 32, 0),
                routing,
                BalanceConfig.DEFAULT);
    }

    private static LanguageModel model(int experts, Precision precision) {
        return LanguageModel.initialize(
                architecture(experts, RoutingConfig.DEFAULT), precision, Device.CPU, new RandomKey(7));
    }

    private static TokenStream text(int tokens) {
        SplittableRandom random = new SplittableRandom(3);
        return TokenStream.of(random.ints(tokens, 0, 257).toArray());
    }

    /** Compares with the definition: log-softmax of the logits, for every token but the first. */
    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void isTheMeanOfTheTokensLosses(int experts) {
        int[] ids = new int[3 * CONTEXT + 6];
        TokenStream text = text(ids.length);
        text.copyTokens(0, ids, 0, ids.length);
        try (LanguageModel model = model(experts, Precision.FP64)) {
            double nats = 0;
            int predicted = 0;
            for (int from = 0; from < ids.length - 1; from += CONTEXT) {
                int n = Math.min(CONTEXT, ids.length - 1 - from);
                long[] inputs =
                        Arrays.stream(ids, from, from + n).asLongStream().toArray();
                try (Scope _ = Scope.open()) {
                    Tensor logP =
                            model.logits(new TokenBatch(inputs, inputs, 1)).logSoftmax(-1);
                    double[] values = logP.toDoubles();
                    for (int t = 0; t < n; t++) {
                        nats -= values[t * VOCABULARY + ids[from + t + 1]];
                        predicted++;
                    }
                }
            }

            Score score = Perplexity.of(model).score(text);

            assertThat(score.tokens()).isEqualTo(ids.length - 1).isEqualTo(predicted);
            assertThat(score.nats()).isCloseTo(nats, within(1e-9 * nats));
            assertThat(score.loss()).isCloseTo(nats / predicted, within(1e-9));
            assertThat(score.perplexity()).isCloseTo(Math.exp(nats / predicted), within(1e-6));
            assertThat(score.windows()).isEqualTo(4);
            assertThat(score.windowTokens()).containsExactly(16, 16, 16, 5);
            assertThat(score.bytes()).isZero();
            assertThat(score.bitsPerByte()).isNaN();
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void doesNotDependOnTheBatch(int experts) {
        TokenStream text = text(20 * CONTEXT + 6);
        try (LanguageModel model = model(experts, Precision.FP32)) {
            Score one = Perplexity.of(model).batch(1).score(text);
            for (int batch : new int[] {2, 3, 7, 100}) {
                Score score = Perplexity.of(model).batch(batch).score(text);
                assertThat(score.windowTokens()).isEqualTo(one.windowTokens());
                for (int i = 0; i < one.windows(); i++) {
                    assertThat(score.windowNats()[i]).isCloseTo(one.windowNats()[i], within(1e-4));
                }
                assertThat(score.load()).hasSize(one.load().size());
            }
        }
    }

    @Test
    void groupsThatShareCapacityStayTogether() {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 3, 1.0, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        TokenStream text = text(7 * CONTEXT + 6);
        try (LanguageModel model =
                LanguageModel.initialize(architecture(4, routing), Precision.FP64, Device.CPU, new RandomKey(7))) {
            Score one = Perplexity.of(model).batch(1).score(text);
            Score many = Perplexity.of(model).batch(8).score(text);

            assertThat(many.windowNats()).containsExactly(one.windowNats(), within(1e-9));
            assertThat(one.tokens()).isEqualTo(7 * CONTEXT + 5);
        }
    }

    /** A short and a long document share experts with a capacity factor of a quarter. */
    @Test
    void whatFillsAGroupUpTakesNoPlaces() {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 2, 0.5, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        int end = 256;
        int[] ids = text(4 + CONTEXT, 1, end);
        ids[3] = end;
        long[] inputs = new long[2 * CONTEXT];
        long[] targets = new long[2 * CONTEXT];
        Arrays.fill(inputs, TokenBatch.PADDING);
        Arrays.fill(targets, TokenBatch.NONE);
        for (int i = 0; i < ids.length; i++) {
            int at = i < 4 ? i : CONTEXT + i - 4;
            inputs[at] = i == 0 ? end : ids[i - 1];
            targets[at] = ids[i];
        }
        try (LanguageModel model = LanguageModel.initialize(
                        architecture(4, routing), Precision.FP64, Device.CPU, new RandomKey(7));
                Scope _ = Scope.open();
                Tape tape = Tape.inference()) {
            LossReport report = model.loss(tape, new TokenBatch(inputs, targets, 2), PassContext.evaluation(2));
            double[] nll = report.nll().tensor().toDoubles();

            Score score = Perplexity.of(model).documents(end).score(TokenStream.of(ids));

            assertThat(score.windowNats())
                    .containsExactly(
                            new double[] {
                                Arrays.stream(nll, 0, CONTEXT).sum(),
                                Arrays.stream(nll, CONTEXT, 2 * CONTEXT).sum()
                            },
                            within(1e-9));
            assertThat(score.load().getFirst().load())
                    .containsExactly(report.routing().getFirst().statistics().load(), within(1e-9));
        }
    }

    @Test
    void aCapTakesWindowsEvenlyAndAlwaysTheSame() {
        TokenStream text = text(20 * CONTEXT + 6);
        try (LanguageModel model = model(0, Precision.FP64)) {
            Score whole = Perplexity.of(model).score(text);
            Score capped = Perplexity.of(model).maxWindows(5).score(text);

            assertThat(capped.windows()).isEqualTo(5);
            double[] expected = IntStream.of(2, 6, 10, 14, 18)
                    .mapToDouble(i -> whole.windowNats()[i])
                    .toArray();
            assertThat(capped.windowNats()).containsExactly(expected, within(1e-9));
            assertThat(Perplexity.of(model).maxWindows(1000).score(text).windowNats())
                    .isEqualTo(whole.windowNats());
        }
    }

    @Test
    void bytesAreThoseOfThePredictedTokens() {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        String words = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.";
        int[] ids = tokenizer.encode(words);
        int[] ended = Arrays.copyOf(ids, ids.length + 1);
        ended[ids.length] = tokenizer.endOfText();
        try (LanguageModel model = model(0, Precision.FP64)) {
            Score score =
                    Perplexity.of(model).tokenizer(tokenizer).score(TokenStream.of(ended), new TextSize(ids.length, 0));

            assertThat(score.tokens()).isEqualTo(ids.length);
            assertThat(score.bytes()).as("the first byte is not predicted").isEqualTo(ids.length - 1);
            assertThat(score.bitsPerByte()).isCloseTo(score.nats() / Math.log(2) / (ids.length - 1), within(1e-12));
        }
    }

    /** Counted by hand: white space and ends of text separate words. */
    @Test
    void wordsAreCountedWhereTheyBegin() {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        int[] ids = tokenizer.encode("one two,three\n\t four  ");
        int[] twice = new int[2 * (ids.length + 1)];
        for (int at : new int[] {0, ids.length + 1}) {
            System.arraycopy(ids, 0, twice, at, ids.length);
            twice[at + ids.length] = tokenizer.endOfText();
        }
        try (LanguageModel model = model(0, Precision.FP64)) {
            Perplexity perplexity = Perplexity.of(model).tokenizer(tokenizer);
            TextSize source = new TextSize(2L * ids.length, 6);
            Score stream = perplexity.score(TokenStream.of(twice), source);
            Score documents = perplexity.documents(tokenizer.endOfText()).score(TokenStream.of(twice), source);

            assertThat(stream.words()).as("nothing predicts the first byte").isEqualTo(5);
            assertThat(documents.words()).isEqualTo(6);
            assertThat(documents.tokens()).isEqualTo(twice.length);
            assertThat(documents.bytes()).isEqualTo(2L * ids.length);
            assertThat(documents.wordPerplexity()).isCloseTo(Math.exp(documents.nats() / 6), within(1e-9));
        }
    }

    private static Path tokenizers() {
        return Path.of("src/test/resources/dev/moe4j/eval/tokenizers");
    }

    /** The token ids of some documents, each with its end-of-text token. */
    private static TokenStream encoded(Tokenizer tokenizer, String... documents) {
        return TokenStream.of(Arrays.stream(documents)
                .flatMapToInt(text ->
                        IntStream.concat(Arrays.stream(tokenizer.encode(text)), IntStream.of(tokenizer.endOfText())))
                .toArray());
    }

    private static LanguageModel modelFor(Tokenizer tokenizer) {
        int vocabulary = Math.ceilDiv(tokenizer.vocabularySize(), 8) * 8;
        return LanguageModel.initialize(
                new Architecture(
                        new ModelConfig(1, 32, 4, 64, vocabulary, CONTEXT, Activation.GELU, 0.1, 0.1, -1, 0, 2, 32, 0),
                        RoutingConfig.DEFAULT,
                        BalanceConfig.DEFAULT),
                Precision.FP32,
                Device.CPU,
                new RandomKey(7));
    }

    /** Unknown words decode to nothing: 30 bytes and 4 words become 13 and 2. */
    @Test
    void whatATokenizerLosesCounts() throws IOException {
        Tokenizer tokenizer =
                Tokenizer.of(tokenizers().resolve("wordpiece-tokenizer.json").toString());
        String text = Files.readString(tokenizers().resolve("unknown-words.txt"));
        try (LanguageModel model = modelFor(tokenizer)) {
            Perplexity perplexity = Perplexity.of(model).tokenizer(tokenizer);
            TokenStream stream = encoded(tokenizer, text);
            Score score = perplexity.documents(tokenizer.endOfText()).score(stream, TextSize.of(text));

            assertThat(score.tokens()).isEqualTo(12);
            assertThat(score.bytes()).isEqualTo(30);
            assertThat(score.words()).isEqualTo(4);
            assertThat(score.bitsPerByte()).isCloseTo(score.nats() / Math.log(2) / 30, within(1e-12));
            assertThat(new Score(new double[] {12 * 6.5411}, score.windowTokens(), score.bytes(), 4, List.of())
                            .bitsPerByte())
                    .as("the reported loss")
                    .isCloseTo(3.77, within(0.005));

            // " s" of " snowman zzqq" is not predicted.
            Score fromTheSecond = perplexity.score(stream, TextSize.of(text));
            assertThat(fromTheSecond.bytes()).isEqualTo(Math.round(30 * 11 / 13.0));
            assertThat(fromTheSecond.words()).isEqualTo(2);
        }
    }

    /** Each document decodes with a space in front. */
    @Test
    void whatATokenizerAddsDoesNotCount() {
        Tokenizer tokenizer =
                Tokenizer.of(tokenizers().resolve("metaspace-tokenizer.json").toString());
        String[] documents = {"the cat sat", "on the mat"};
        try (LanguageModel model = modelFor(tokenizer)) {
            TokenStream stream = encoded(tokenizer, documents);
            TextSize source = new TextSize(21, 6);
            assertThat(TokenText.of(tokenizer).size(stream)).isEqualTo(new TextSize(23, 6));
            Score score = Perplexity.of(model)
                    .tokenizer(tokenizer)
                    .documents(tokenizer.endOfText())
                    .score(stream, source);
            assertThat(score.bytes()).isEqualTo(21);
            assertThat(score.words()).isEqualTo(6);
        }
    }

    /** A text that decodes to nothing is divided by its tokens. */
    @Test
    void unknownTextHasItsSize() {
        Tokenizer tokenizer =
                Tokenizer.of(tokenizers().resolve("wordpiece-tokenizer.json").toString());
        try (LanguageModel model = modelFor(tokenizer)) {
            TokenStream stream = encoded(tokenizer, "\u2603 \u2603", "\u2603 \u2603");
            Score score = Perplexity.of(model).tokenizer(tokenizer).score(stream, new TextSize(14, 4));
            assertThat(score.bytes()).isEqualTo(Math.round(14 * 5 / 6.0));
            assertThat(score.words()).isEqualTo(Math.round(4 * 5 / 6.0));
        }
    }

    /** Sampled windows count the bytes and words of their own tokens, if decoding is exact. */
    @Test
    void aSampleHasItsOwnBytes() {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        String text = "some words of text ".repeat(40);
        try (LanguageModel model = model(0, Precision.FP32)) {
            Score score = Perplexity.of(model)
                    .tokenizer(tokenizer)
                    .maxWindows(3)
                    .score(encoded(tokenizer, text), TextSize.of(text));
            assertThat(score.bytes()).isEqualTo(3 * CONTEXT);
        }
    }

    /** Compares overlapping windows with the definition: each token's loss has the longest context in its window. */
    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void overlapGivesContext(int experts) {
        int[] ids = new int[40];
        TokenStream text = text(ids.length);
        text.copyTokens(0, ids, 0, ids.length);
        try (LanguageModel model = model(experts, Precision.FP64)) {
            double nats = 0;
            for (int target = 1; target < ids.length; target++) {
                // Windows of 12 that begin 5 apart: the first to have this target.
                int window = target <= 12 ? 0 : Math.ceilDiv(target - 12, 5);
                long[] inputs =
                        Arrays.stream(ids, window * 5, target).asLongStream().toArray();
                try (Scope _ = Scope.open()) {
                    double[] logP = model.logits(new TokenBatch(inputs, inputs, 1))
                            .logSoftmax(-1)
                            .toDoubles();
                    nats -= logP[(inputs.length - 1) * VOCABULARY + ids[target]];
                }
            }
            Perplexity perplexity = Perplexity.of(model).window(12).stride(5);
            assertThat(perplexity.windows(text)).isEqualTo(7);
            for (int batch : new int[] {1, 3, 8}) {
                Score score = perplexity.batch(batch).score(text);
                assertThat(score.tokens()).isEqualTo(39);
                assertThat(score.nats()).isCloseTo(nats, within(1e-9 * nats));
            }
        }
    }

    /**
     * A document's score does not depend on the other documents. It equals the score of the document alone after an
     * end-of-text token.
     */
    @ParameterizedTest
    @ValueSource(ints = {0, 4})
    void documentsDoNotSeeEachOther(int experts) {
        int end = 256;
        int[][] documents = {{5, 6, 7, end}, {end}, text(20, 1, end), {8, 9, 10, end}, text(33, 2, end)};
        int[] all = Arrays.stream(documents).flatMapToInt(Arrays::stream).toArray();
        try (LanguageModel model = model(experts, Precision.FP64)) {
            Perplexity perplexity = Perplexity.of(model).documents(end);
            double nats = 0;
            for (int[] document : documents) {
                int[] behind = new int[document.length + 1];
                behind[0] = end;
                System.arraycopy(document, 0, behind, 1, document.length);
                nats += Perplexity.of(model).score(TokenStream.of(behind)).nats();
            }
            for (int batch : new int[] {1, 2, 8}) {
                Score score = perplexity.batch(batch).score(TokenStream.of(all));
                assertThat(score.tokens()).isEqualTo(all.length);
                assertThat(score.nats()).isCloseTo(nats, within(1e-9 * nats));
                assertThat(score.windowTokens()).containsExactly(4, 1, 16, 4, 4, 16, 16, 1);
            }
        }
    }

    private static int[] text(int length, long seed, int end) {
        int[] ids = new SplittableRandom(seed).ints(length, 0, 250).toArray();
        ids[length - 1] = end;
        return ids;
    }

    @Test
    void capacityOverflowsAndSaysSo() {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 1, 1.0, 0.1, false, RoutingConfig.SecondExpert.ALL, false, true);
        try (LanguageModel tight = LanguageModel.initialize(
                        architecture(4, routing), Precision.FP32, Device.CPU, new RandomKey(7));
                LanguageModel dropless = model(4, Precision.FP32)) {
            assertThat(Perplexity.of(tight).score(text(5 * CONTEXT + 6)).load())
                    .singleElement()
                    .satisfies(layer -> {
                        assertThat(layer.overflow()).hasSize(2);
                        // 4 experts with 2 places each for 16 tokens.
                        assertThat(layer.overflow()[0]).isBetween(50.0, 100.0);
                    });
            assertThat(Perplexity.of(dropless).score(text(5 * CONTEXT + 6)).load())
                    .allSatisfy(layer -> assertThat(layer.overflow()).containsOnly(0));
        }
    }

    @Test
    void aFigureShowsEachExpertOfEachText() {
        Score.ExpertLoad even = new Score.ExpertLoad(1, new double[] {1, 1}, new double[] {0});
        Score.ExpertLoad uneven = new Score.ExpertLoad(1, new double[] {0, 8}, new double[] {0});
        String svg = ExpertLoadHeatMap.svg(List.of(
                new ExpertLoadHeatMap.Row("a<b", List.of(even)), new ExpertLoadHeatMap.Row("code", List.of(uneven))));

        assertThat(svg)
                .startsWith("<svg ")
                .endsWith("</svg>\n")
                .contains("a&lt;b", "Layer 1:", "White: an even share.");
        assertThat(svg.lines().filter(line -> line.contains(", expert ")))
                .hasSize(4)
                .satisfiesExactly(
                        cell -> assertThat(cell).contains("#ffffff", "a&lt;b, expert 0: 1.00"),
                        cell -> assertThat(cell).contains("#ffffff", "a&lt;b, expert 1: 1.00"),
                        cell -> assertThat(cell).contains("#0000ff", "code, expert 0: 0.00"),
                        cell -> assertThat(cell).contains("#ff0000", "code, expert 1: 8.00"));
        assertThatThrownBy(() -> ExpertLoadHeatMap.svg(List.of(new ExpertLoadHeatMap.Row("a", List.of()))))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("a dense model has no expert load");
    }

    @Test
    void saysWhatExpertsReceived() {
        try (LanguageModel model = model(4, Precision.FP32)) {
            Score score = Perplexity.of(model).batch(3).score(text(5 * CONTEXT + 6));

            assertThat(score.load()).singleElement().satisfies(layer -> {
                assertThat(layer.layer()).isEqualTo(1);
                assertThat(layer.load()).hasSize(4);
                assertThat(Arrays.stream(layer.load()).sum()).isCloseTo(4, within(1e-9));
            });
        }
    }

    @Test
    void leavesNoTensorBehind() {
        try (LanguageModel model = model(4, Precision.FP32)) {
            Perplexity perplexity = Perplexity.of(model).batch(2);
            TokenStream text = text(5 * CONTEXT + 6);
            long before = Scope.liveTensors();
            perplexity.score(text);
            assertThat(Scope.liveTensors()).isEqualTo(before);
        }
    }

    @Test
    void tellsHowFarItIs() {
        List<String> heard = new ArrayList<>();
        try (LanguageModel model = model(0, Precision.FP32)) {
            Score score = Perplexity.of(model)
                    .batch(2)
                    .onProgress((done, total, loss) -> heard.add(done + "/" + total + " " + (loss > 0)))
                    .score(text(4 * CONTEXT + 6));
            assertThat(score.windows()).isEqualTo(5);
        }
        assertThat(heard).containsExactly("2/5 true", "4/5 true", "5/5 true");
    }

    @Test
    void refusesWhatItCannotScore() {
        try (LanguageModel model = model(0, Precision.FP32)) {
            Perplexity perplexity = Perplexity.of(model);
            assertThatThrownBy(() -> perplexity.score(TokenStream.of(1)))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("none to predict");
            assertThatThrownBy(() -> perplexity.score(TokenStream.of(1, VOCABULARY, 2)))
                    .isInstanceOf(EvalException.class)
                    .hasMessageContaining("the text has the token id 264, but the model's vocabulary has 264");
            assertThatThrownBy(() -> perplexity.batch(0)).isInstanceOf(EvalException.class);
            assertThatThrownBy(() -> perplexity.maxWindows(0)).isInstanceOf(EvalException.class);
            assertThatThrownBy(() -> perplexity.stride(0)).isInstanceOf(EvalException.class);
            assertThatThrownBy(() -> perplexity.window(CONTEXT + 1))
                    .isInstanceOf(EvalException.class)
                    .hasMessage("windows of 17 tokens do not fit the model's context of 16; give from 1 to 16");
            assertThatThrownBy(() -> perplexity.window(8).stride(9).score(text(40)))
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining("windows of 8 tokens cannot move by 9");
            try (Scope _ = Scope.open()) {
                model.parameters().get("model.layer_norm.weight").master().fill(Double.NaN);
            }
            model.parameters().refresh();
            assertThatThrownBy(() -> perplexity.score(text(40)))
                    .isInstanceOf(EvalException.class)
                    .hasMessageContaining("the loss of window 0 of the text is NaN");
        }
    }
}
