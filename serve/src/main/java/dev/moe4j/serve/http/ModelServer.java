package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.ServeException;
import dev.moe4j.text.tokenizer.Tokenizer;
import io.helidon.common.socket.SocketOptions;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.WebServer;
import io.helidon.webserver.http.FilterChain;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.RoutingRequest;
import io.helidon.webserver.http.RoutingResponse;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.helidon.webserver.http1.Http1Config;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.net.URLDecoder;
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

    private static final String MODELS = "/v1/models/";

    private final ServedModel served;
    private final Tokenizer tokenizer;
    private final Engine engine;
    private final PrometheusMeterRegistry meters;
    private final Options options;
    private final ClientWatch.Connections connections = new ClientWatch.Connections();
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
                .directHandlers(Answers.beforeRouting(MOST_BYTES))
                .addProtocol(
                        Http1Config.builder().addReceiveListener(connections).build())
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
        routing.addFilter(this::filter);
        Dashboard.route(routing);
        Answers.get(routing, "/health", (request, response) -> json(request, response, served.health()));
        Answers.get(
                routing,
                "/metrics",
                (request, response) -> Answers.send(
                        request,
                        response,
                        "text/plain; version=0.0.4; charset=utf-8",
                        meters.scrape().getBytes(StandardCharsets.UTF_8)));
        Answers.get(
                routing,
                "/status",
                (request, response) ->
                        json(request, response, served.status(engine.load(), engine.expertLoad(), meters)));
        routing.any("/v1/*", this::requireKey);
        Answers.get(routing, "/v1/models", (request, response) -> json(request, response, served.list()));
        Answers.get(routing, MODELS + "{+model}", this::model);
        Answers.post(routing, "/v1/completions", this::complete);
        routing.any("/v1/chat/completions", (_, _) -> {
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
                .error(Throwable.class, ModelServer::fail);
    }

    private void filter(FilterChain chain, RoutingRequest request, RoutingResponse response) {
        String host = request.headers().first(HeaderNames.HOST).orElse("");
        if (options.key() == null && loopback(options.host()) && !new HostNames(options.host()).include(host)) {
            String message = "without an API key this server answers to localhost only, not to the Host '" + host
                    + "'; start it with --api-key, or let a proxy send its upstream's name as Host";
            Answers.fail(request, response, ApiException.of(403, message));
        } else {
            chain.proceed();
        }
        // Helidon says so in the response and keeps the connection.
        if (request.headers().containsToken(HeaderValues.CONNECTION_CLOSE)) {
            throw new CloseConnectionException("the client asked for it");
        }
    }

    private static boolean loopback(String host) {
        return new InetSocketAddress(host, 0).getAddress().isLoopbackAddress();
    }

    private static void fail(ServerRequest request, ServerResponse response, Throwable problem) {
        ApiException told = problem instanceof ServeException wrong
                ? ApiException.invalid(null, String.valueOf(wrong.getMessage()))
                : ApiException.of(problem);
        if (told.status() == 500) {
            LOG.error("a request failed", problem);
        }
        Answers.fail(request, response, told);
    }

    private static void json(ServerRequest request, ServerResponse response, ObjectNode body) {
        Answers.json(request, response, 200, body);
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

    /** A model's name may have slashes, also encoded ones. */
    private void model(ServerRequest request, ServerResponse response) {
        String name = request.prologue().uriPath().rawPath().substring(MODELS.length());
        served.requireName(URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8));
        json(request, response, served.entry());
    }

    private void complete(ServerRequest request, ServerResponse response) throws InterruptedException, IOException {
        String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
        // A page of another site could otherwise send requests by its reader's browser.
        if (!type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
            throw ApiException.of(415, "the body must be JSON: send 'Content-Type: application/json'");
        }
        byte[] body = request.content().hasEntity() ? request.content().as(byte[].class) : new byte[0];
        CompletionRequest wanted =
                CompletionRequest.read(body, served, tokenizer, engine.limits().waiting());
        ClientWatch client = connections.watch(request, response);
        Completions completions = new Completions(wanted, engine, served.name(), tokenizer, client::left);
        try {
            if (wanted.stream()) {
                stream(completions, response);
            } else {
                json(request, response, whole(completions));
            }
        } catch (Completions.ClientLeftException e) {
            LOG.info("a client left before its answer was complete; its texts are cancelled");
            throw new CloseConnectionException("the client left", e);
        }
    }

    private static ObjectNode whole(Completions completions) throws InterruptedException {
        try (completions) {
            ObjectNode answer = completions.whole();
            LOG.info("{}", completions);
            return answer;
        }
    }

    /** Server-sent events, written here since Helidon's refuse clients that accept JSON only, as OpenAI's own do. */
    private static void stream(Completions completions, ServerResponse response)
            throws InterruptedException, IOException {
        response.header(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8")
                .header(HeaderNames.CACHE_CONTROL, "no-cache")
                .header(HeaderNames.create("X-Accel-Buffering"), "no"); // nginx would keep pieces back
        // The texts end before the response does: the client may not send anything for long after it.
        try (OutputStream out = response.outputStream();
                completions) {
            try {
                completions.stream(piece -> send(out, piece.toString()));
                send(out, "[DONE]");
                LOG.info("{}", completions);
            } catch (Completions.ClientLeftException e) {
                throw e;
            } catch (RuntimeException | Error e) {
                if (!(e instanceof ApiException)) {
                    LOG.error("a request failed", e);
                }
                // The status is sent already.
                send(out, CompletionAnswer.error(ApiException.of(e)).toString());
            }
        }
    }

    private static void send(OutputStream out, String event) {
        try {
            out.write(("data: " + event + "\n\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException | UncheckedIOException e) {
            throw new Completions.ClientLeftException(e);
        }
    }

    /** Answers no more; texts that are being made are cut off. */
    @Override
    public void close() {
        server.stop();
    }
}
