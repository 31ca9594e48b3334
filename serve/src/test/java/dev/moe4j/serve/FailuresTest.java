package dev.moe4j.serve;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.serve.RunningServer.Setup;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.GenerationResult;
import dev.moe4j.serve.engine.Generator;
import dev.moe4j.serve.engine.Sampling;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.serve.engine.TextListener;
import dev.moe4j.serve.http.ApiException;
import dev.moe4j.serve.http.CompletionResponse;
import dev.moe4j.serve.http.TextEvent;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** A failure affects only one text or one request. */
@Timeout(300)
class FailuresTest {
    private static final int PADDING = 'p';
    private static final Sampling GREEDY = new Sampling(0, 0, 1);

    private static LanguageModel model() {
        return TinyModel.of(64, Precision.FP64, 264, PADDING);
    }

    private static GenerationResult alone(LanguageModel model, String prompt, int tokens, long seed) {
        return new Generator(model, TinyModel.BYTES, Sampling.DEFAULT, seed).generate(prompt, tokens, _ -> {});
    }

    /** The model cannot read its padding token. */
    @Test
    void aPromptThatCannotBeReadEndsItsTextAlone() throws InterruptedException {
        LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
        try (LanguageModel model = model()) {
            Engine engine = new Engine(model, TinyModel.BYTES, new Engine.Limits(3, 8), new SimpleMeterRegistry());
            engine.submit(
                    List.of(order("first", 30, events, 0), order("pad", 30, events, 1), order("last", 30, events, 2)));
            engine.stop(Duration.ofMinutes(2));
            engine.run();

            assertThat(events.stream().filter(TextEvent.Failed.class::isInstance))
                    .singleElement()
                    .satisfies(event -> assertThat(event.text()).isEqualTo(1));
            assertThat(events.stream()
                            .filter(TextEvent.End.class::isInstance)
                            .map(event -> ((TextEvent.End) event).generated()))
                    .containsExactlyInAnyOrder(alone(model, "first", 30, 0), alone(model, "last", 30, 2));
        }
    }

    private static Engine.Submission order(
            String prompt, int tokens, LinkedBlockingQueue<TextEvent> events, int number) {
        return new Engine.Submission(
                TinyModel.request(prompt, tokens, Sampling.DEFAULT, number), TextEvent.into(events, number));
    }

    @Test
    void aPromptWithThePaddingTokenIsRefused() throws Exception {
        try (RunningServer server = new RunningServer(Setup.PLAIN.padding(PADDING))) {
            for (String prompt : List.of("\"a p\"", "[97, 112]")) {
                HttpResponse<String> response = server.send(server.post("{\"prompt\": %s}".formatted(prompt)));
                assertThat(response.statusCode()).as(response.body()).isEqualTo(400);
                assertThat(RunningServer.error(response).path("message").asString())
                        .isEqualTo("prompt has the padding token 112, which the model cannot read; leave it out");
                assertThat(RunningServer.error(response).path("param").asString())
                        .isEqualTo("prompt");
            }
        }
    }

    @Test
    void thePaddingTokenIsNeverDrawn() {
        try (LanguageModel model = model()) {
            try (Scope _ = Scope.open()) {
                // The final norm returns 1 everywhere, so the logits are the sums of the embedding's rows.
                model.parameters().get("model.layer_norm.weight").master().zero();
                model.parameters().get("model.layer_norm.bias").master().fill(1);
                model.parameters().get("model.embed_tokens.weight").master().zero();
                model.parameters()
                        .get("model.embed_tokens.weight")
                        .master()
                        .narrow(0, PADDING, 1)
                        .fill(2);
                model.parameters()
                        .get("model.embed_tokens.weight")
                        .master()
                        .narrow(0, 'q', 1)
                        .fill(1);
            }
            model.parameters().refresh();
            assertThat(new Generator(model, TinyModel.BYTES, GREEDY, 1)
                            .generate("a", 5, _ -> {})
                            .text())
                    .isEqualTo("qqqqq");
            assertThatThrownBy(() -> alone(model, "p", 5, 1)).isInstanceOf(ModelException.class);
        }
    }

    /** The engine's thread also survives an Error. */
    @Test
    void anErrorEndsItsTextAlone() throws InterruptedException {
        LinkedBlockingQueue<TextEvent> events = new LinkedBlockingQueue<>();
        TextListener broken = new TextListener() {
            @Override
            public void piece(String text, List<ScoredToken> tokens) {
                throw new OutOfMemoryError("no memory for a piece");
            }

            @Override
            public void end(GenerationResult generated) {}

            @Override
            public void failed(Throwable problem) {
                events.add(new TextEvent.Failed(9, problem));
                throw new OutOfMemoryError("no memory for the failure either");
            }
        };
        try (LanguageModel model = model()) {
            Engine engine = new Engine(model, TinyModel.BYTES, new Engine.Limits(2, 8), new SimpleMeterRegistry());
            engine.submit(List.of(
                    new Engine.Submission(TinyModel.request("a", 9, GREEDY, 1), broken), order("b", 30, events, 2)));
            engine.stop(Duration.ofMinutes(2));
            engine.run();
            assertThat(events.stream().filter(TextEvent.Failed.class::isInstance))
                    .singleElement()
                    .extracting(event -> ((TextEvent.Failed) event).problem())
                    .isInstanceOf(OutOfMemoryError.class);
            assertThat(events.stream().filter(TextEvent.End.class::isInstance))
                    .singleElement()
                    .extracting(event -> ((TextEvent.End) event).generated())
                    .isEqualTo(alone(model, "b", 30, 2));
        }
    }

    @Test
    void anyProblemHasAnAnswer() {
        ApiException memory = ApiException.of(new OutOfMemoryError("Java heap space"));
        assertThat(memory.status()).isEqualTo(500);
        assertThat(CompletionResponse.error(memory).path("error").path("type").asString())
                .isEqualTo("server_error");
        assertThat(memory).hasMessageStartingWith("the server's memory is too small for this request");
        assertThat(ApiException.of(new StackOverflowError()).status()).isEqualTo(500);
    }
}
