package dev.moe4j.eval.scoring;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.task.PromptBuilder;
import dev.moe4j.model.LanguageModel;
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
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** One suite for all scorers. */
class ScorerTest {
    private static final int CONTEXT = 48;
    private static final int VOCABULARY = 264;

    enum Way {
        PLAIN,
        PREFIX;

        Scorer of(LanguageModel model, int batchTokens) {
            return switch (this) {
                case PLAIN -> new FullScorer(model, batchTokens);
                case PREFIX -> new PrefixScorer(model, batchTokens);
            };
        }
    }

    private static LanguageModel model(int experts, RoutingConfig routing, Precision precision) {
        return LanguageModel.initialize(
                new Architecture(
                        new ModelConfig(
                                2, 32, 4, 64, VOCABULARY, CONTEXT, Activation.GELU, 0.1, 0.1, -1, experts, 2, 32, 0),
                        routing,
                        BalanceConfig.DEFAULT),
                precision,
                Device.CPU,
                new RandomKey(7));
    }

    /** Tokens of one byte each. */
    private static Request request(int[] tokens, int from) {
        return new Request(tokens, from, tokens.length - from);
    }

    /** Questions with several candidates of every length. Some share nearly all tokens and some share none. */
    private static List<Request> requests() {
        SplittableRandom random = new SplittableRandom(5);
        List<Request> requests = new ArrayList<>();
        for (int question = 0; question < 12; question++) {
            int[] prompt = random.ints(1 + random.nextInt(30), 0, 257).toArray();
            for (int choice = 0; choice < 1 + question % 4; choice++) {
                int[] answer = random.ints(1 + random.nextInt(15), 0, 257).toArray();
                requests.add(request(PromptBuilder.join(prompt, answer), prompt.length));
            }
        }
        requests.add(request(random.ints(CONTEXT + 1, 0, 257).toArray(), 1));
        requests.add(request(new int[] {3, 4}, 1));
        requests.add(request(new int[] {3, 4, 5}, 1));
        return requests;
    }

    /** Computed by the definition, one token of one text at a time. */
    private static Likelihood plainly(LanguageModel model, Request request) {
        double sum = 0;
        boolean greedy = true;
        for (int t = request.from(); t < request.length(); t++) {
            long[] before = Arrays.stream(request.tokens(), 0, t).asLongStream().toArray();
            try (Scope _ = Scope.open()) {
                double[] logP = model.logits(new TokenBatch(before, before, 1))
                        .select(1, t - 1)
                        .logSoftmax(-1)
                        .toDoubles();
                int token = request.tokens()[t];
                sum += logP[token];
                greedy &= Arrays.stream(logP).max().orElseThrow() == logP[token];
            }
        }
        return new Likelihood(sum, request.length() - request.from(), request.bytes(), greedy);
    }

    @ParameterizedTest
    @EnumSource
    void equalsATokenAtATime(Way way) {
        for (int experts : new int[] {0, 4}) {
            try (LanguageModel model = model(experts, RoutingConfig.DEFAULT, Precision.FP64)) {
                List<Request> requests = requests();
                List<Likelihood> scored = way.of(model, 100).score(requests);
                for (int i = 0; i < requests.size(); i++) {
                    Likelihood expected = plainly(model, requests.get(i));
                    assertThat(scored.get(i).logProbability()).isCloseTo(expected.logProbability(), within(1e-9));
                    assertThat(scored.get(i).tokens()).isEqualTo(expected.tokens());
                    assertThat(scored.get(i).bytes()).isEqualTo(expected.bytes());
                    assertThat(scored.get(i).greedy()).isEqualTo(expected.greedy());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void doesNotDependOnTheBatchOrTheOrder(Way way) {
        try (LanguageModel model = model(4, RoutingConfig.DEFAULT, Precision.FP32)) {
            List<Request> requests = requests();
            List<Likelihood> alone = new ArrayList<>();
            requests.forEach(request -> alone.addAll(way.of(model, 1).score(List.of(request))));
            for (int batchTokens : new int[] {1, 64, 300, 100_000}) {
                List<Integer> order = new ArrayList<>();
                for (int i = 0; i < requests.size(); i++) {
                    order.add(i);
                }
                Collections.shuffle(order, new java.util.Random(batchTokens));
                List<Likelihood> scored = way.of(model, batchTokens)
                        .score(order.stream().map(requests::get).toList());
                for (int i = 0; i < order.size(); i++) {
                    assertThat(scored.get(i).logProbability())
                            .isCloseTo(alone.get(order.get(i)).logProbability(), within(1e-4));
                    assertThat(scored.get(i).greedy())
                            .isEqualTo(alone.get(order.get(i)).greedy());
                }
            }
        }
    }

    @ParameterizedTest
    @EnumSource
    void leavesNoTensorBehindAndKnowsTheLikeliest(Way way) {
        try (LanguageModel model = model(4, RoutingConfig.DEFAULT, Precision.FP32)) {
            int[] text = {7, 8, 9, 0};
            try (Scope _ = Scope.open()) {
                long[] before = {7, 8, 9};
                double[] logits = model.logits(new TokenBatch(before, before, 1))
                        .select(1, 2)
                        .toDoubles();
                for (int i = 1; i < logits.length; i++) {
                    text[3] = logits[i] > logits[text[3]] ? i : text[3];
                }
            }
            long live = Scope.liveTensors();
            int[] other = text.clone();
            other[3] = (text[3] + 1) % 256;
            List<Likelihood> scored = way.of(model, 64).score(List.of(request(text, 3), request(other, 3)));
            assertThat(scored).extracting(Likelihood::greedy).containsExactly(true, false);
            assertThat(Scope.liveTensors()).isEqualTo(live);
        }
    }

    @ParameterizedTest
    @EnumSource
    void refusesTokensThatTheModelLacksAndModelsThatAreNoNumbers(Way way) {
        try (LanguageModel model = model(0, RoutingConfig.DEFAULT, Precision.FP32)) {
            assertThatThrownBy(() -> way.of(model, 64).score(List.of(request(new int[] {1, VOCABULARY}, 1))))
                    .isInstanceOf(EvalException.class)
                    .hasMessageContaining("the text has the token id 264, but the model's vocabulary has 264");
            try (Scope _ = Scope.open()) {
                model.parameters().get("model.layer_norm.weight").master().fill(Double.NaN);
            }
            model.parameters().refresh();
            assertThatThrownBy(() -> way.of(model, 64).score(List.of(request(new int[] {1, 2}, 1))))
                    .isInstanceOf(EvalException.class)
                    .hasMessageContaining("a log-probability is NaN");
        }
    }

    /**
     * With a capacity, tokens compete for places. A text's score is well-defined only if the text is alone and
     * unpadded.
     */
    @ParameterizedTest
    @EnumSource(names = "PLAIN")
    void aCapacityIsThatOfTheTextAlone(Way way) {
        RoutingConfig routing = new RoutingConfig(
                RoutingConfig.Strategy.CAPACITY, 2, 1, 1.0, 0.3, false, RoutingConfig.SecondExpert.ALL, false, true);
        try (LanguageModel model = model(4, routing, Precision.FP64)) {
            List<Request> requests = requests();
            List<Likelihood> together = way.of(model, 10_000).score(requests);
            for (int i = 0; i < requests.size(); i++) {
                assertThat(together.get(i).logProbability())
                        .isCloseTo(
                                way.of(model, 1)
                                        .score(List.of(requests.get(i)))
                                        .getFirst()
                                        .logProbability(),
                                within(1e-9));
            }
        }
    }
}
