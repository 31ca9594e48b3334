package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.serve.TinyModel;
import dev.moe4j.serve.http.TextEvent;
import dev.moe4j.serve.http.TokenTexts;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Sequences in a batch give the same texts as sequences alone. */
class ContinuousBatchTest {
    private static final int CONTEXT = 24;
    /** In float64 rounding does not change which token is drawn. */
    private static LanguageModel model;

    @BeforeAll
    static void makeModel() {
        model = TinyModel.of(CONTEXT, Precision.FP64);
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    private static GenerationResult alone(String prompt, int tokens, long seed) {
        return new Generator(model, TinyModel.BYTES, Sampling.DEFAULT, seed).generate(prompt, tokens, _ -> {});
    }

    private static DecodingSequence text(GenerationRequest request, LinkedBlockingQueue<TextEvent> events, int number) {
        return new DecodingSequence(request, TinyModel.BYTES, model.config(), TextEvent.into(events, number));
    }

    private static List<GenerationResult> ends(LinkedBlockingQueue<TextEvent> events) {
        return events.stream()
                .filter(TextEvent.End.class::isInstance)
                .map(event -> ((TextEvent.End) event).generated())
                .toList();
    }

    /** Sequences join at different times and have different lengths. Sequences of 60 tokens move their window. */
    @Test
    void textsDoNotNoticeEachOther() {
        int[] lengths = {60, 5, 31, 60, 1, 12, 40};
        List<LinkedBlockingQueue<TextEvent>> events = new ArrayList<>();
        try (ContinuousBatch batch = new ContinuousBatch(model, 3, CONTEXT)) {
            int largest = 0;
            int next = 0;
            while (next < lengths.length || batch.size() > 0) {
                if (next < lengths.length && !batch.isFull()) {
                    events.add(new LinkedBlockingQueue<>());
                    batch.add(text(
                            TinyModel.request("text " + next, lengths[next], Sampling.DEFAULT, next),
                            events.getLast(),
                            next));
                    next++;
                }
                largest = Math.max(largest, batch.size());
                batch.step();
            }
            assertThat(largest).isEqualTo(3);
        }
        for (int i = 0; i < lengths.length; i++) {
            assertThat(ends(events.get(i))).containsExactly(alone("text " + i, lengths[i], i));
        }
    }

    @Test
    void aTextThatFailsLeavesTheOthers() {
        LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
        TextListener broken = new TextListener() {
            @Override
            public void piece(String text, List<ScoredToken> tokens) {
                throw new IllegalArgumentException("nobody listens");
            }

            @Override
            public void end(GenerationResult generated) {}

            @Override
            public void failed(Throwable problem) {
                events.add(new TextEvent.Failed(9, problem));
            }
        };
        try (ContinuousBatch batch = new ContinuousBatch(model, 2, CONTEXT)) {
            batch.add(new DecodingSequence(
                    TinyModel.request("a", 8, Sampling.DEFAULT, 1), TinyModel.BYTES, model.config(), broken));
            batch.add(text(TinyModel.request("b", 8, Sampling.DEFAULT, 2), events, 1));
            while (batch.size() > 0) {
                batch.step();
            }
        }
        assertThat(events.stream().filter(TextEvent.Failed.class::isInstance)).hasSize(1);
        assertThat(ends(events)).containsExactly(alone("b", 8, 2));
    }

    @Test
    void aCancelledTextLeaves() {
        LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
        try (ContinuousBatch batch = new ContinuousBatch(model, 2, CONTEXT)) {
            DecodingSequence text = text(TinyModel.request("a", 1000, Sampling.DEFAULT, 1), events, 0);
            batch.add(text);
            batch.step();
            text.cancel();
            int heard = events.size();
            batch.step();
            assertThat(batch.size()).isZero();
            assertThat(events).hasSize(heard);
        }
    }

    /** A prompt's tokens have the same log-probabilities as when the model generated them. */
    @Test
    void scoresThePromptAsTheContinuation() {
        int[] prompt = TinyModel.BYTES.encode("Once");
        List<ScoredToken> made = scored(
                new GenerationRequest(Prompt.of(prompt, TinyModel.BYTES), 9, Sampling.DEFAULT, 3, List.of(), 2, true));
        assertThat(made).hasSizeGreaterThan(prompt.length);
        int[] whole = made.stream().mapToInt(ScoredToken::id).toArray();
        assertThat(whole).startsWith(prompt);

        List<ScoredToken> read = scored(
                new GenerationRequest(Prompt.of(whole, TinyModel.BYTES), 0, Sampling.DEFAULT, 3, List.of(), 2, true));

        assertThat(read).hasSameSizeAs(made);
        for (int i = 0; i < whole.length; i++) {
            assertThat(read.get(i).id()).isEqualTo(whole[i]);
            assertThat(read.get(i).logProbability()).isCloseTo(made.get(i).logProbability(), within(1e-9));
            assertThat(alternatives(read.get(i))).hasSize(2).isEqualTo(alternatives(made.get(i)));
        }
    }

    private static List<Integer> alternatives(ScoredToken token) {
        return token.alternatives().stream().map(ScoredToken.Alternative::id).toList();
    }

    /** Returns all reported tokens of a text. */
    private static List<ScoredToken> scored(GenerationRequest request) {
        LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
        try (ContinuousBatch batch = new ContinuousBatch(model, 1, CONTEXT)) {
            batch.add(text(request, events, 0));
            while (batch.size() > 0) {
                batch.step();
            }
        }
        return events.stream()
                .flatMap(event -> switch (event) {
                    case TextEvent.Prompt(int _, List<ScoredToken> tokens) -> tokens.stream();
                    case TextEvent.Piece(int _, String _, List<ScoredToken> tokens) -> tokens.stream();
                    case TextEvent.End _ -> Stream.empty();
                    case TextEvent.Failed(int _, Throwable problem) -> throw new AssertionError(problem);
                })
                .toList();
    }

    /** Evaluation harnesses treat the last token as the generated one, even if it is the end of text. */
    @Test
    void theEndOfATextIsScoredToo() {
        int seed = 0;
        while (alone("Once", 1, seed).finish() != FinishReason.END_OF_TEXT) {
            seed++;
        }
        List<ScoredToken> tokens =
                scored(new GenerationRequest(TinyModel.prompt("Once"), 1, Sampling.DEFAULT, seed, List.of(), 1, true));
        assertThat(tokens).hasSize(5);
        assertThat(tokens.getLast().id()).isEqualTo(TinyModel.BYTES.endOfText());
        assertThat(tokens.getLast().offset()).isZero();
        assertThat(TokenTexts.of(tokens.getLast().id(), TinyModel.BYTES)).isEqualTo("<|endoftext|>");
    }

    /** The first token of a sequence does not have a probability, such as an end of text at the start of a prompt. */
    @Test
    void aPromptMayBeginWithTheEndOfText() {
        int[] given = {TinyModel.BYTES.endOfText(), 79, 110};
        List<ScoredToken> begun = scored(
                new GenerationRequest(Prompt.of(given, TinyModel.BYTES), 0, Sampling.DEFAULT, 1, List.of(), 0, true));
        List<ScoredToken> plain =
                scored(new GenerationRequest(TinyModel.prompt("On"), 0, Sampling.DEFAULT, 1, List.of(), 0, true));

        assertThat(begun.getFirst()).isEqualTo(new ScoredToken(given[0], 0, null, List.of()));
        assertThat(begun.subList(1, 3))
                .extracting(ScoredToken::logProbability)
                .isEqualTo(plain.stream().map(ScoredToken::logProbability).toList());
    }

    @Test
    void leavesNoTensorBehind() {
        long before = Scope.liveTensors();
        try (ContinuousBatch batch = new ContinuousBatch(model, 2, CONTEXT)) {
            LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
            batch.add(text(TinyModel.request("a", 1000, Sampling.DEFAULT, 1), events, 0));
            batch.step();
            long open = Scope.liveTensors();
            for (int i = 0; i < 40; i++) {
                batch.step();
                assertThat(Scope.liveTensors()).isEqualTo(open);
            }
        }
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }
}
