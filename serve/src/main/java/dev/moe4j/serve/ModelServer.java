package dev.moe4j.serve;

import dev.moe4j.data.Tokenizer;
import io.helidon.common.socket.SocketOptions;
import io.helidon.http.HeaderNames;
import io.helidon.http.HttpException;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.Locale;
import java.util.logging.Level;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * An HTTP server for one model: OpenAI's completions, its metrics for Prometheus, and a page to try it on. It answers
 * requests on threads of their own; an {@link Engine} makes the texts.
 */
public final class ModelServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ModelServer.class);
    /** Helidon logs by the JDK's own logger, and greets at the level of information; kept, as the JDK forgets levels. */
    private static final java.util.logging.Logger HELIDON = java.util.logging.Logger.getLogger("io.helidon");

    /** A prompt as long as any context, with room to spare. */
    private static final long MOST_BYTES = 16L << 20;

    private final ServedModel served;
    private final Tokenizer tokenizer;
    private final Engine engine;
    private final PrometheusMeterRegistry meters;
    private final Options options;
    private final WebServer server;

    /**
     * How a server listens.
     *
     * @param host an address or a name of this machine
     * @param port 0 for any that is free
     * @param key what clients must give as their API key; null: they need none
     */
    public record Options(String host, int port, @Nullable String key) {
        public Options {
            if (port < 0 || port > 65_535) {
                throw new ServeException(
                        "there is no port " + port + "; give one from 1 to 65535, or 0 for a free one");
            }
            if (key != null && key.isBlank()) {
                throw new ServeException("an empty API key protects nothing; give one, or none at all");
            }
        }
    }

    private ModelServer(
            ServedModel served, Tokenizer tokenizer, Engine engine, PrometheusMeterRegistry meters, Options options) {
        this.served = served;
        this.tokenizer = tokenizer;
        this.engine = engine;
        this.meters = meters;
        this.options = options;
        HELIDON.setLevel(Level.WARNING);
        this.server = WebServer.builder()
                .host(options.host())
                .port(options.port())
                .shutdownHook(false)
                .maxPayloadSize(MOST_BYTES)
                .connectionOptions(SocketOptions.builder().tcpNoDelay(true).build())
                .shutdownGracePeriod(Duration.ofSeconds(1))
                .routing(this::route)
                .build();
    }

    /**
     * Starts a server; it answers as soon as this returns, and makes texts while the engine runs.
     *
     * @param served what it tells of the model
     * @param engine made of the same model and tokenizer
     * @throws ServeException if it cannot listen there
     */
    public static ModelServer start(
            ServedModel served, Tokenizer tokenizer, Engine engine, PrometheusMeterRegistry meters, Options options) {
        checkFree(options);
        ModelServer server = new ModelServer(served, tokenizer, engine, meters, options);
        server.server.start();
        if (!server.server.isRunning()) {
            throw cannotListen(options, "see the log");
        }
        return server;
    }

    /** Helidon logs why it cannot listen, with its whole stack, and does not throw. */
    private static void checkFree(Options options) {
        try (ServerSocket socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(options.host(), options.port()));
        } catch (IOException e) {
            throw cannotListen(options, String.valueOf(e.getMessage()));
        }
    }

    private static ServeException cannotListen(Options options, String why) {
        return new ServeException("cannot listen on " + options.host() + ":" + options.port() + " (" + why
                + "); give another --host or --port");
    }

    /** Where it is. */
    public URI uri() {
        String host = options.host();
        return URI.create("http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + server.port());
    }

    private void route(HttpRouting.Builder routing) {
        Dashboard.route(routing);
        routing.get("/health", (_, response) -> json(response, 200, served.health()))
                .get(
                        "/metrics",
                        (_, response) -> response.header(
                                        HeaderNames.CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")
                                .send(meters.scrape()))
                .get(
                        "/status",
                        (_, response) -> json(response, 200, served.status(engine.load(), engine.expertLoad(), meters)))
                .any("/v1/*", this::requireKey)
                .get("/v1/models", (_, response) -> json(response, 200, served.list()))
                .get("/v1/models/{model}", this::model)
                .post("/v1/completions", this::complete)
                .any("/v1/chat/completions", (_, _) -> {
                    throw ApiException.missing(
                            null,
                            null,
                            "this model continues texts and was not trained to chat; use /v1/completions with a prompt");
                })
                .any((request, _) -> {
                    throw ApiException.missing(
                            null,
                            null,
                            "there is no " + request.prologue().method() + " "
                                    + request.path().path()
                                    + " here; GET /v1/models and POST /v1/completions there are");
                })
                .error(ApiException.class, (_, response, e) -> fail(response, e))
                .error(ServeException.class, (_, response, e) -> fail(response, e))
                .error(Engine.BusyException.class, (_, response, e) -> fail(response, e))
                .error(
                        HttpException.class,
                        (_, response, e) ->
                                fail(response, ApiException.of(e.status().code(), String.valueOf(e.getMessage()))));
    }

    private static void fail(ServerResponse response, RuntimeException problem) {
        ApiException told = problem instanceof ServeException wrong
                ? ApiException.invalid(null, String.valueOf(wrong.getMessage()))
                : ApiException.of(problem);
        if (told.status() == 503) {
            response.header(HeaderNames.RETRY_AFTER, "1");
        }
        json(response, told.status(), CompletionAnswer.error(told));
    }

    private static void json(ServerResponse response, int status, ObjectNode body) {
        response.status(status)
                .header(HeaderNames.CONTENT_TYPE, "application/json")
                .send(body.toString().getBytes(StandardCharsets.UTF_8));
    }

    private void requireKey(ServerRequest request, ServerResponse response) {
        String key = options.key();
        if (key != null) {
            String given = request.headers()
                    .first(HeaderNames.AUTHORIZATION)
                    .map(value -> value.toLowerCase(Locale.ROOT).startsWith("bearer ")
                            ? value.substring(7).strip()
                            : "")
                    .orElse("");
            boolean same =
                    MessageDigest.isEqual(given.getBytes(StandardCharsets.UTF_8), key.getBytes(StandardCharsets.UTF_8));
            if (!same) {
                throw ApiException.of(401, "this server wants its API key: send 'Authorization: Bearer KEY'");
            }
        }
        response.next();
    }

    private void model(ServerRequest request, ServerResponse response) {
        served.requireName(request.path().pathParameters().get("model"));
        json(response, 200, served.entry());
    }

    private void complete(ServerRequest request, ServerResponse response) throws InterruptedException, IOException {
        long start = System.nanoTime();
        String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
        // A page of another site could otherwise send requests by its reader's browser.
        if (!type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
            throw ApiException.of(415, "the body must be JSON: send 'Content-Type: application/json'");
        }
        byte[] body = request.content().hasEntity() ? request.content().as(byte[].class) : new byte[0];
        CompletionRequest wanted = CompletionRequest.read(body, served, tokenizer);
        try (Completions completions = new Completions(wanted, engine, served.name(), tokenizer)) {
            if (wanted.stream()) {
                stream(completions, response);
            } else {
                json(response, 200, completions.whole());
            }
            LOG.info(
                    "{} of {} tokens after {} of prompts in {} s",
                    wanted.texts().size() == 1 ? "1 text" : wanted.texts().size() + " texts",
                    completions.made(),
                    wanted.promptTokens(),
                    "%.2f".formatted((System.nanoTime() - start) / 1e9));
        }
    }

    /** Server-sent events, written here since Helidon's refuse clients that accept JSON only, as OpenAI's own do. */
    private static void stream(Completions completions, ServerResponse response)
            throws InterruptedException, IOException {
        response.header(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8")
                .header(HeaderNames.CACHE_CONTROL, "no-cache");
        try (OutputStream out = response.outputStream()) {
            try {
                completions.stream(piece -> send(out, piece.toString()));
                send(out, "[DONE]");
            } catch (ApiException e) {
                // The status is sent already.
                send(out, CompletionAnswer.error(e).toString());
            }
        }
    }

    private static void send(OutputStream out, String event) {
        try {
            out.write(("data: " + event + "\n\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Answers no more; texts that are being made are cut off. */
    @Override
    public void close() {
        server.stop();
    }
}
