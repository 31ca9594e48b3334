package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.perplexity.Perplexity;
import dev.moe4j.eval.perplexity.Score;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The processes of a run share the windows of a text. The score does not depend on their number. */
class SharedEvaluationTest {
    private static final int CONTEXT = 8;
    private static final int BATCH = 2;
    private static final Tokenizer TOKENIZER = Tokenizer.of("bytes");

    /** A score, and the number of batches that this process computed. */
    private record Shared(Score score, int batches) {}

    private static Architecture architecture(boolean capacity, int group) {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, group, 1.0, -1, false, RoutingConfig.SecondExpert.ALL, false, true);
        return new Architecture(
                new ModelConfig(2, 16, 2, 32, 264, CONTEXT, Activation.GELU, 0.1, 0.1, -1, 4, 2, 16, 0),
                capacity ? routing : RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
    }

    /** 21 windows: 20 full ones and a shorter one, or 3 documents that end with shorter ones. */
    private static Shared score(Architecture architecture, ParallelContext fabric, boolean documents) {
        int[] ids = new SplittableRandom(3).ints(20 * CONTEXT + 6, 0, 256).toArray();
        if (documents) {
            ids[2] = TOKENIZER.endOfText();
            ids[38] = TOKENIZER.endOfText();
        }
        AtomicInteger batches = new AtomicInteger();
        try (LanguageModel model = LanguageModel.initialize(
                architecture, Precision.FP32, Device.CPU, fabric, ExpertGradients.EXACT, new RandomKey(7))) {
            Perplexity perplexity = Perplexity.of(model)
                    .batch(BATCH)
                    .tokenizer(TOKENIZER)
                    .onProgress((_, _, _) -> batches.incrementAndGet());
            Score score = (documents ? perplexity.documents(TOKENIZER.endOfText()) : perplexity)
                    .score(TokenStream.of(ids), new TextSize(ids.length, 0));
            return new Shared(score, batches.get());
        }
    }

    @ParameterizedTest
    @CsvSource({
        "false, 0, 1, NONE, false, 6",
        "false, 0, 1, PARAMETERS, false, 6",
        "false, 0, 2, NONE, false, 6",
        "false, 0, 2, NONE, true, 7",
        "true, 1, 2, NONE, false, 6",
        "true, 1, 2, NONE, true, 9",
        "true, 2, 2, NONE, false, 6",
        "true, 1, 1, NONE, false, 6",
    })
    void twoProcessesComputeHalfEach(
            boolean capacity, int group, int expertParallel, Sharding sharding, boolean documents, int most) {
        Architecture architecture = architecture(capacity, group);
        Shared alone = score(architecture, ParallelContext.SINGLE, documents);
        List<Shared> both = RanksInThreads.run(
                2,
                processes -> score(architecture, ParallelContext.of(processes, expertParallel, sharding), documents));

        for (Shared each : both) {
            assertThat(each.score().windowTokens()).isEqualTo(alone.score().windowTokens());
            assertThat(each.score().bytes()).isEqualTo(alone.score().bytes());
            for (int i = 0; i < alone.score().windows(); i++) {
                double expected = alone.score().windowNats()[i];
                assertThat(each.score().windowNats()[i]).isCloseTo(expected, within(1e-5 * expected));
            }
            assertThat(each.score().load()).hasSize(alone.score().load().size());
            for (int layer = 0; layer < each.score().load().size(); layer++) {
                assertThat(each.score().load().get(layer).load())
                        .containsExactly(alone.score().load().get(layer).load(), within(1e-9));
            }
            assertThat(each.batches()).isLessThan(alone.batches()).isLessThanOrEqualTo(most);
        }
        assertThat(both.get(0).score().loss()).isEqualTo(both.get(1).score().loss());
    }

    /** The failure must reach all processes, or the others would wait. */
    @Test
    void aLossThatIsNotFiniteFailsInAllProcesses() {
        List<Throwable> failures = RanksInThreads.run(2, processes -> {
            int[] ids = new int[4 * CONTEXT + 1];
            ids[3 * CONTEXT + 1] = 9;
            try (LanguageModel model = LanguageModel.initialize(
                    architecture(false, 0),
                    Precision.FP32,
                    Device.CPU,
                    ParallelContext.of(processes, 1, Sharding.NONE),
                    ExpertGradients.EXACT,
                    new RandomKey(7))) {
                try (Scope _ = Scope.open()) {
                    model.parameters()
                            .get("model.embed_tokens.weight")
                            .master()
                            .select(0, 9)
                            .fill(Double.NaN);
                }
                model.parameters().refresh();
                Perplexity perplexity = Perplexity.of(model).batch(1);
                return catchThrowable(() -> perplexity.score(TokenStream.of(ids)));
            }
        });
        assertThat(failures)
                .allSatisfy(failure -> assertThat(failure)
                        .isInstanceOf(EvalException.class)
                        .hasMessageStartingWith("the loss of window "));
        assertThat(failures.get(0)).hasMessage(failures.get(1).getMessage());
    }

    /** The failure must also reach the process that computes other windows, or it would wait. */
    @Test
    void aTokenOutsideTheVocabularyFailsInAllProcesses() {
        List<Throwable> failures = RanksInThreads.run(2, processes -> {
            int[] ids = new int[4 * CONTEXT + 1];
            Architecture architecture = architecture(false, 0);
            ids[3 * CONTEXT + 1] = architecture.model().vocabulary();
            try (LanguageModel model = LanguageModel.initialize(
                    architecture,
                    Precision.FP32,
                    Device.CPU,
                    ParallelContext.of(processes, 1, Sharding.NONE),
                    ExpertGradients.EXACT,
                    new RandomKey(7))) {
                Perplexity perplexity = Perplexity.of(model).batch(1);
                return catchThrowable(() -> perplexity.score(TokenStream.of(ids)));
            }
        });
        assertThat(failures)
                .allSatisfy(failure -> assertThat(failure)
                        .isInstanceOf(EvalException.class)
                        .hasMessageStartingWith("the text has the token "));
    }
}
