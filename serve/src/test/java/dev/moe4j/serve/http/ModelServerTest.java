package dev.moe4j.serve.http;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.serve.Browser;
import dev.moe4j.serve.TinyModel;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.FinishReason;
import dev.moe4j.serve.engine.GenerationResult;
import dev.moe4j.serve.engine.Generator;
import dev.moe4j.serve.engine.Sampling;
import dev.moe4j.serve.engine.ServeException;
import dev.moe4j.tensor.Precision;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** Tests the server over HTTP, like a client. */
@Timeout(120)
class ModelServerTest {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int CONTEXT = 4096;
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private static LanguageModel model;
    private static Engine engine;
    private static Thread running;
    private static ModelServer server;
    private static ModelServer guarded;

    @BeforeAll
    static void start() {
        model = TinyModel.of(CONTEXT, Precision.FP64);
        PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        engine = new Engine(model, TinyModel.BYTES, new Engine.Limits(2, 8), meters);
        running = Thread.ofPlatform().name("engine").start(engine::run);
        server = start(meters, null);
        guarded = start(meters, "sesame");
    }

    private static ModelServer start(PrometheusMeterRegistry meters, @Nullable String key) {
        return ModelServer.start(
                ServedModel.of("tiny", model, TinyModel.BYTES),
                TinyModel.BYTES,
                engine,
                meters,
                new ModelServer.Options("127.0.0.1", 0, key));
    }

    @AfterAll
    static void stop() throws InterruptedException {
        engine.stop(Duration.ZERO);
        running.join();
        server.close();
        guarded.close();
        model.close();
    }

    private static HttpRequest.Builder to(ModelServer server, String path) {
        return HttpRequest.newBuilder(URI.create(server.uri() + path)).timeout(Duration.ofSeconds(60));
    }

    private static HttpRequest post(String body) {
        return to(server, "/v1/completions")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    private static HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        return CLIENT.send(request, BodyHandlers.ofString(StandardCharsets.UTF_8));
    }

    private static JsonNode complete(String body) throws IOException, InterruptedException {
        HttpResponse<String> response = send(post(body));
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type")).contains("application/json");
        return JSON.readTree(response.body());
    }

    private static JsonNode get(String path) throws IOException, InterruptedException {
        HttpResponse<String> response = send(to(server, path).build());
        assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
        return JSON.readTree(response.body());
    }

    private static GenerationResult alone(String prompt, int tokens, Sampling sampling, long seed) {
        return new Generator(model, TinyModel.BYTES, sampling, seed).generate(prompt, tokens, _ -> {});
    }

    @Test
    void completesAsGenerateDoes() throws Exception {
        JsonNode answer = complete("""
                {"model": "tiny", "prompt": "Once", "max_tokens": 30, "temperature": 0.9, "top_p": 0.95, "top_k": 50, "seed": 7,
                 "user": "somebody", "presence_penalty": 0, "logit_bias": {}, "suffix": "", "best_of": 1, "stop": null}""");
        GenerationResult expected = alone("Once", 30, new Sampling(0.9, 50, 0.95), 7);

        assertThat(answer.path("object").asString()).isEqualTo("text_completion");
        assertThat(answer.path("id").asString()).startsWith("cmpl-");
        assertThat(answer.path("model").asString()).isEqualTo("tiny");
        assertThat(answer.path("choices")).hasSize(1);
        JsonNode choice = answer.path("choices").path(0);
        assertThat(choice.path("text").asString()).isEqualTo(expected.text()).isNotEmpty();
        assertThat(choice.path("index").asInt()).isZero();
        assertThat(choice.path("logprobs").isNull()).isTrue();
        assertThat(choice.path("finish_reason").asString())
                .isEqualTo(expected.finish() == FinishReason.LENGTH ? "length" : "stop");
        assertThat(answer.path("usage").path("prompt_tokens").asInt()).isEqualTo(4);
        assertThat(answer.path("usage").path("completion_tokens").asInt()).isEqualTo(expected.tokens());
        assertThat(answer.path("usage").path("total_tokens").asInt()).isEqualTo(4 + expected.tokens());
    }

    @Test
    void severalPromptsAndChoices() throws Exception {
        JsonNode answer = complete("""
                {"prompt": ["a", "bc"], "n": 2, "max_tokens": 5, "seed": 3, "echo": true}""");
        List<String> expected = new ArrayList<>();
        for (String prompt : List.of("a", "bc")) {
            for (int choice = 0; choice < 2; choice++) {
                expected.add(
                        prompt + alone(prompt, 5, Sampling.DEFAULT, 3 + choice).text());
            }
        }
        assertThat(answer.path("choices")
                        .valueStream()
                        .map(choice -> choice.path("text").asString()))
                .isEqualTo(expected);
        assertThat(answer.path("choices")
                        .valueStream()
                        .map(choice -> choice.path("index").asInt()))
                .containsExactly(0, 1, 2, 3);
        assertThat(answer.path("usage").path("prompt_tokens").asInt()).isEqualTo(3);
    }

    @Test
    void promptsMayBeTokens() throws Exception {
        String one = complete("""
                {"prompt": [79, 110], "max_tokens": 5, "seed": 1}""").path("choices").path(0).path("text").asString();
        JsonNode two = complete("""
                {"prompt": [[79, 110], [97]], "max_tokens": 5, "seed": 1, "echo": true}""").path("choices");
        assertThat(one).isEqualTo(alone("On", 5, Sampling.DEFAULT, 1).text());
        assertThat(two.path(0).path("text").asString()).isEqualTo("On" + one);
        assertThat(two.path(1).path("text").asString())
                .isEqualTo("a" + alone("a", 5, Sampling.DEFAULT, 1).text());
    }

    /** Accepts only JSON, like OpenAI's clients, even for a stream. */
    private static List<String> stream(String body) throws IOException, InterruptedException {
        HttpRequest request = to(server, "/v1/completions")
                .header("Content-Type", "application/json")
                .header("Accept", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        HttpResponse<Stream<String>> response = CLIENT.send(request, BodyHandlers.ofLines());
        assertThat(response.statusCode()).isEqualTo(200);
        assertThat(response.headers().firstValue("Content-Type"))
                .hasValueSatisfying(type -> assertThat(type).startsWith("text/event-stream"));
        return response.body()
                .filter(line -> !line.isEmpty())
                .map(line -> {
                    assertThat(line).startsWith("data: ");
                    return line.substring(6);
                })
                .toList();
    }

    @Test
    void streamsWhatItCompletes() throws Exception {
        String body = """
                {"prompt": "Once", "max_tokens": 40, "seed": 5, "n": 2, "echo": true, "logprobs": 1%s}""";
        List<String> events =
                stream(body.formatted(", \"stream\": true, \"stream_options\": {\"include_usage\": true}"));
        JsonNode whole = complete(body.formatted(""));

        assertThat(events.getLast()).isEqualTo("[DONE]");
        JsonNode usage = JSON.readTree(events.get(events.size() - 2));
        assertThat(usage.path("choices")).isEmpty();
        assertThat(usage.path("usage")).isEqualTo(whole.path("usage"));
        for (int choice = 0; choice < 2; choice++) {
            StringBuilder text = new StringBuilder();
            List<JsonNode> tokens = new ArrayList<>();
            List<JsonNode> offsets = new ArrayList<>();
            String finish = "";
            for (String event : events.subList(0, events.size() - 2)) {
                JsonNode piece = JSON.readTree(event).path("choices").path(0);
                if (piece.path("index").asInt() == choice) {
                    assertThat(finish).as("nothing follows the end").isEmpty();
                    text.append(piece.path("text").asString());
                    piece.path("logprobs").path("tokens").forEach(tokens::add);
                    piece.path("logprobs").path("text_offset").forEach(offsets::add);
                    finish = piece.path("finish_reason").asString("");
                }
            }
            JsonNode expected = whole.path("choices").path(choice);
            assertThat(text).hasToString(expected.path("text").asString());
            assertThat(finish).isEqualTo(expected.path("finish_reason").asString());
            assertThat(tokens)
                    .isEqualTo(expected.path("logprobs")
                            .path("tokens")
                            .valueStream()
                            .toList());
            assertThat(offsets)
                    .isEqualTo(expected.path("logprobs")
                            .path("text_offset")
                            .valueStream()
                            .toList());
        }
    }

    @Test
    void piecesComeOneByOne() throws Exception {
        // The most likely tokens of this model do not end a text.
        HttpRequest request = post("""
                {"prompt": "Once", "max_tokens": 4000, "temperature": 0, "stream": true}""");
        long before = get("/status").path("generated_tokens").asLong();
        HttpResponse<InputStream> response = CLIENT.send(request, BodyHandlers.ofInputStream());
        try (BufferedReader lines =
                new BufferedReader(new InputStreamReader(response.body(), StandardCharsets.UTF_8))) {
            assertThat(lines.readLine()).startsWith("data: ");
            // The text is still being generated. A client that disconnects frees its place.
            assertThat(get("/status").path("active").asInt()).isPositive();
        }
        while (get("/status").path("active").asInt() > 0) {
            Thread.sleep(20);
        }
        assertThat(get("/status").path("generated_tokens").asLong() - before).isLessThan(4000);
    }

    @Test
    void tellsHowLikelyTokensAre() throws Exception {
        JsonNode answer = complete("""
                {"prompt": "On", "max_tokens": 4, "temperature": 0, "logprobs": 2, "echo": true}""");
        JsonNode scored = answer.path("choices").path(0).path("logprobs");
        int made = answer.path("usage").path("completion_tokens").asInt();

        for (String field : List.of("tokens", "token_logprobs", "top_logprobs", "text_offset")) {
            assertThat(scored.path(field)).as(field).hasSize(2 + made);
        }
        assertThat(scored.path("tokens").path(0).asString()).isEqualTo("O");
        assertThat(scored.path("text_offset").path(1).asInt()).isEqualTo(1);
        for (int i = 2; i < 2 + made; i++) {
            JsonNode best = scored.path("top_logprobs").path(i);
            assertThat(best).hasSize(2);
            double largest =
                    best.valueStream().mapToDouble(JsonNode::asDouble).max().orElseThrow();
            assertThat(scored.path("token_logprobs").path(i).asDouble())
                    .as("greedy tokens are the most likely")
                    .isCloseTo(largest, within(1e-12));
        }
        JsonNode chosenOnly = complete("""
                {"prompt": "On", "max_tokens": 2, "temperature": 0, "logprobs": 0}""").path("choices").path(0).path("logprobs");
        assertThat(chosenOnly.path("top_logprobs").path(0)).hasSize(1);
    }

    @Test
    void stopsAtAStopText() throws Exception {
        GenerationResult whole = alone("Once", 40, Sampling.DEFAULT, 11);
        String stop =
                whole.text().substring(whole.text().length() / 2, whole.text().length() / 2 + 1);
        JsonNode choice = complete(JSON.createObjectNode()
                        .put("prompt", "Once")
                        .put("max_tokens", 40)
                        .put("seed", 11)
                        .put("stop", stop)
                        .toString())
                .path("choices")
                .path(0);
        assertThat(choice.path("text").asString())
                .isEqualTo(whole.text().substring(0, whole.text().indexOf(stop)));
        assertThat(choice.path("finish_reason").asString()).isEqualTo("stop");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "not json | 400 | | the body is not JSON",
                "[1] | 400 | | must be a JSON object",
                "{\"model\": \"other\"} | 404 | model | model 'other' is not served here; this server has 'tiny'",
                "{\"prompt\": {}} | 400 | prompt | prompt must be a text",
                "{\"prompt\": [1, \"a\"]} | 400 | prompt | prompt must be a text",
                "{\"prompt\": [264]} | 400 | prompt | whole numbers from 0 to below 257",
                "{\"prompt\": [1.5]} | 400 | prompt | prompt has 1.5 for a token",
                "{\"max_tokens\": -1} | 400 | max_tokens | max_tokens must be 0 or more, not -1",
                "{\"max_tokens\": \"9\"} | 400 | max_tokens | max_tokens must be 0 or more, not \"9\"",
                "{\"max_tokens\": 5000} | 400 | prompt | the model sees 4096 tokens at a time",
                "{\"temperature\": -1} | 400 | temperature | temperature must be from 0",
                "{\"top_p\": 0} | 400 | top_p | top_p must be above 0 to 1, not 0",
                "{\"n\": 0} | 400 | n | n must be from 1 to 128",
                "{\"n\": 9} | 400 | n | the request asks for 9 texts (prompts times n), but may ask for at most 8",
                "{\"best_of\": 3} | 400 | best_of | best_of must be 1, the only value served, not 3",
                "{\"frequency_penalty\": 0.5} | 400 | frequency_penalty | must be 0, the only value served",
                "{\"logit_bias\": {\"5\": 1}} | 400 | logit_bias | logit_bias is not served; leave it out",
                "{\"stop\": [\"a\", \"\"]} | 400 | stop | none of them empty",
                "{\"seed\": 1.5} | 400 | seed | seed must be a whole number",
                "{\"logprobs\": 21} | 400 | logprobs | logprobs must be from 0 to 20",
                "{\"stream_options\": {}} | 400 | stream_options | stream_options needs stream: true",
                "{\"max_token\": 3} | 400 | max_token | unknown parameter max_token; did you mean max_tokens?",
            })
    void refusesWhatIsWrong(String body, int status, String parameter, String message) throws Exception {
        HttpResponse<String> response = send(post(body));
        JsonNode error = JSON.readTree(response.body()).path("error");

        assertThat(response.statusCode()).as(response.body()).isEqualTo(status);
        assertThat(error.path("message").asString()).contains(message).doesNotContain("\n");
        assertThat(error.path("param").asString(null)).isEqualTo(parameter);
        assertThat(error.path("type").asString()).isEqualTo("invalid_request_error");
    }

    @Test
    void refusesOtherRequests() throws Exception {
        HttpResponse<String> form = send(to(server, "/v1/completions")
                .header("Content-Type", "text/plain")
                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                .build());
        assertThat(form.statusCode()).isEqualTo(415);
        HttpResponse<String> chat = send(to(server, "/v1/chat/completions")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                .build());
        assertThat(chat.statusCode()).isEqualTo(404);
        assertThat(chat.body()).contains("use /v1/completions");
        HttpResponse<String> nothing = send(to(server, "/v2/x").build());
        assertThat(nothing.statusCode()).isEqualTo(404);
        assertThat(JSON.readTree(nothing.body()).path("error").path("message").asString())
                .startsWith("GET /v2/x does not exist");
        HttpResponse<String> large = send(post("\"" + "x".repeat(17 << 20) + "\""));
        assertThat(large.statusCode()).isEqualTo(413);
    }

    @Test
    void asksForItsKey() throws Exception {
        for (String given : new String[] {null, "Bearer open", "sesame"}) {
            HttpRequest.Builder request = to(guarded, "/v1/models");
            if (given != null) {
                request.header("Authorization", given);
            }
            HttpResponse<String> response = send(request.build());
            assertThat(response.statusCode()).as("with " + given).isEqualTo(401);
            assertThat(response.body()).doesNotContain("sesame");
        }
        assertThat(send(to(guarded, "/v1/completions")
                                .header("Content-Type", "application/json")
                                .POST(HttpRequest.BodyPublishers.ofString("{}"))
                                .build())
                        .statusCode())
                .isEqualTo(401);
        assertThat(send(to(guarded, "/v1/models")
                                .header("Authorization", "Bearer sesame")
                                .build())
                        .statusCode())
                .isEqualTo(200);
        assertThat(send(to(guarded, "/health").build()).statusCode()).isEqualTo(200);
    }

    @Test
    void tellsOfItself() throws Exception {
        complete("""
                {"prompt": "a", "max_tokens": 3, "seed": 1}""");
        JsonNode models = get("/v1/models");
        assertThat(models.path("object").asString()).isEqualTo("list");
        assertThat(models.path("data").path(0).path("id").asString()).isEqualTo("tiny");
        assertThat(get("/v1/models/tiny").path("max_model_len").asInt()).isEqualTo(CONTEXT);
        assertThat(send(to(server, "/v1/models/other").build()).statusCode()).isEqualTo(404);
        assertThat(get("/health").path("status").asString()).isEqualTo("ok");

        JsonNode status = get("/status");
        assertThat(status.path("places").asInt()).isEqualTo(2);
        assertThat(status.path("generated_tokens").asInt()).isPositive();
        assertThat(status.path("model").path("experts").asInt()).isEqualTo(4);
        // The router chooses two experts for each token read: at least the prompt and the end of text before it.
        assertThat(status.path("expert_load")).hasSize(1);
        assertThat(status.path("expert_load").path(0)).hasSize(4);
        assertThat(status.path("expert_load")
                        .path(0)
                        .valueStream()
                        .mapToDouble(JsonNode::asDouble)
                        .sum())
                .isGreaterThanOrEqualTo(2 * 2);
        assertThat(status.path("model").path("active_parameters").asLong())
                .isPositive()
                .isLessThan(status.path("model").path("parameters").asLong());

        HttpResponse<String> metrics = send(to(server, "/metrics").build());
        assertThat(metrics.headers().firstValue("Content-Type"))
                .hasValueSatisfying(type -> assertThat(type).startsWith("text/plain; version=0.0.4"));
        assertThat(metrics.body())
                .contains(
                        "# TYPE moe4j_generated_tokens_total counter",
                        "# TYPE moe4j_first_piece_seconds histogram",
                        "moe4j_texts_places 2.0",
                        "moe4j_texts_seconds_count{finish=");
    }

    @Test
    void manyClientsShareTheModel() throws Exception {
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < 8; i++) {
            answers.add(CLIENT.sendAsync(
                    post("{\"prompt\": \"client %d\", \"max_tokens\": 25, \"seed\": %d}".formatted(i, i)),
                    BodyHandlers.ofString(StandardCharsets.UTF_8)));
        }
        for (int i = 0; i < 8; i++) {
            HttpResponse<String> response = answers.get(i).get();
            assertThat(response.statusCode()).as(response.body()).isEqualTo(200);
            assertThat(JSON.readTree(response.body())
                            .path("choices")
                            .path(0)
                            .path("text")
                            .asString())
                    .isEqualTo(alone("client " + i, 25, Sampling.DEFAULT, i).text());
        }
    }

    @Test
    void refusesWhereItCannotListen() {
        int taken = server.uri().getPort();
        PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        assertThatThrownBy(() -> ModelServer.start(
                        ServedModel.of("tiny", model, TinyModel.BYTES),
                        TinyModel.BYTES,
                        engine,
                        meters,
                        new ModelServer.Options("127.0.0.1", taken, null)))
                .isInstanceOf(ServeException.class)
                .hasMessageContaining("cannot listen on 127.0.0.1:" + taken)
                .hasMessageEndingWith("give another --host or --port");
    }

    /** In a real browser, the page streams a text token by token and draws the charts. */
    @Test
    void thePageContinuesATextInABrowser(@TempDir Path folder) throws Exception {
        Optional<String> program = Browser.installed();
        assumeTrue(program.isPresent(), "no Chromium on this machine: the server's page was not tried");
        try (Browser browser = Browser.open(program.get(), folder, server.uri().resolve("/"))) {
            browser.await("document.documentElement.dataset.ready === ''");
            assertThat(browser.evaluate("document.getElementById('name').textContent"))
                    .isEqualTo("tiny");
            assertThat(browser.evaluate("document.getElementById('facts').textContent"))
                    .contains("mixture of 4 experts", "context of 4,096 tokens");
            browser.evaluate("""
                    document.getElementById('prompt').value = 'Once';
                    document.getElementById('tokens').value = 25;
                    document.getElementById('temperature').value = 1;
                    document.getElementById('seed').value = 5;
                    document.getElementById('shade').click();
                    document.getElementById('go').click();""");
            browser.await("document.getElementById('summary').textContent.includes('tokens in')"
                    + " && !document.getElementById('go').disabled");
            GenerationResult expected = alone("Once", 25, Sampling.DEFAULT, 5);
            assertThat(browser.evaluate("document.getElementById('answer').textContent"))
                    .isEqualTo("Once" + expected.text());
            assertThat(browser.evaluate("String(document.querySelectorAll('#answer .token').length)"))
                    .isEqualTo(String.valueOf(expected.tokens()));
            assertThat(browser.evaluate("document.querySelector('#answer .token').title"))
                    .contains(" %  ");
            browser.await("document.querySelectorAll('canvas').length === 2"
                    + " && Number(document.getElementById('made').textContent.replaceAll(',', '')) > 0");
            browser.await("seen[0].length >= 3"); // the screenshot shows curves
            assertThat(browser.evaluate("String(document.querySelectorAll('.cell').length)"))
                    .isEqualTo("4");
            assertThat(browser.evaluate("document.querySelector('.cell').title"))
                    .startsWith("expert 0: ");
            browser.screenshot(
                    Files.createDirectories(Path.of("target", "pages")).resolve("dashboard.png"));

            browser.evaluate("document.getElementById('prompt').value = 'x'.repeat(5000);"
                    + " document.getElementById('go').click();");
            browser.await("document.getElementById('summary').className === 'note wrong'");
            assertThat(browser.evaluate("document.getElementById('summary').textContent"))
                    .startsWith("a prompt has more than 4096 tokens");
        }
    }
}
