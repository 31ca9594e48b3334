package dev.moe4j.serve;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.http.ModelServer;
import dev.moe4j.serve.http.ServedModel;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.tokenizer.Tokenizer;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** A running server with a small model and its engine, for tests over HTTP. */
final class RunningServer implements AutoCloseable {
    static final JsonMapper JSON = new JsonMapper();

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final Engine engine;
    private final Thread running;
    private final ModelServer server;
    private final HttpClient client = HttpClient.newHttpClient();

    /** The server options that tests vary. */
    record Setup(
            String name,
            int context,
            int padding,
            int waiting,
            @Nullable String key) {
        static final Setup PLAIN = new Setup("tiny", 64, -1, 8, null);

        Setup context(int tokens) {
            return new Setup(name, tokens, padding, waiting, key);
        }

        Setup name(String other) {
            return new Setup(other, context, padding, waiting, key);
        }

        Setup padding(int token) {
            return new Setup(name, context, token, waiting, key);
        }

        Setup waiting(int texts) {
            return new Setup(name, context, padding, texts, key);
        }

        Setup key(String secret) {
            return new Setup(name, context, padding, waiting, secret);
        }
    }

    RunningServer(Setup setup) {
        this(setup, TinyModel.BYTES);
    }

    RunningServer(Setup setup, Tokenizer tokenizer) {
        this.tokenizer = tokenizer;
        this.model = TinyModel.of(
                setup.context(), Precision.FP64, (tokenizer.vocabularySize() + 7) / 8 * 8, setup.padding());
        PrometheusMeterRegistry meters = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
        this.engine = new Engine(model, tokenizer, new Engine.Limits(2, setup.waiting()), meters);
        this.running = Thread.ofPlatform().name("engine").start(engine::run);
        this.server = ModelServer.start(
                ServedModel.of(setup.name(), model, tokenizer),
                tokenizer,
                engine,
                meters,
                new ModelServer.Options("127.0.0.1", 0, setup.key()));
    }

    /** Loads a tokenizer from the test resources. */
    static Tokenizer tokenizer(String file) throws Exception {
        return Tokenizer.of(Path.of(Objects.requireNonNull(RunningServer.class.getResource(file))
                        .toURI())
                .toString());
    }

    LanguageModel model() {
        return model;
    }

    Tokenizer tokenizer() {
        return tokenizer;
    }

    URI uri() {
        return server.uri();
    }

    int port() {
        return server.uri().getPort();
    }

    HttpRequest.Builder to(String path) {
        return HttpRequest.newBuilder(URI.create(server.uri() + path)).timeout(Duration.ofSeconds(100));
    }

    HttpRequest post(String body) {
        return to("/v1/completions")
                .header("Content-Type", "application/json")
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
    }

    HttpResponse<String> send(HttpRequest request) throws IOException, InterruptedException {
        return client.send(request, BodyHandlers.ofString(StandardCharsets.UTF_8));
    }

    /** Sends a completion request, which must succeed, and returns the response. */
    JsonNode complete(String body) throws IOException, InterruptedException {
        HttpResponse<String> response = send(post(body));
        if (response.statusCode() != 200) {
            throw new AssertionError(response.statusCode() + " " + response.body());
        }
        return JSON.readTree(response.body());
    }

    /** Returns the error object of a response. */
    static JsonNode error(HttpResponse<String> response) {
        return JSON.readTree(response.body()).path("error");
    }

    String metrics() throws IOException, InterruptedException {
        return send(to("/metrics").build()).body();
    }

    /** Sends raw bytes and returns everything that the server sends until it closes the connection. */
    String raw(String request) throws IOException {
        try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), port())) {
            socket.setSoTimeout(100_000);
            socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
            socket.getOutputStream().flush();
            try (InputStream in = socket.getInputStream()) {
                return new String(in.readAllBytes(), StandardCharsets.UTF_8);
            }
        }
    }

    @Override
    public void close() {
        engine.stop(Duration.ZERO);
        try {
            running.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        server.close();
        model.close();
        client.close();
    }
}
