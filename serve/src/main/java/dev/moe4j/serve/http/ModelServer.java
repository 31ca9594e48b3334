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
import java.io.InputStream;
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
 * An HTTP server for one model. It offers OpenAI's completions API, Prometheus metrics and a page to try the model. Each
 * request has a thread, and an {@link Engine} generates the texts.
 */
public final class ModelServer implements AutoCloseable {
    private static final Logger LOG = LoggerFactory.getLogger(ModelServer.class);
    /** Helidon's logger, set to warnings. The JDK forgets a logger's level unless something refers to the logger. */
    private static final java.util.logging.Logger HELIDON = java.util.logging.Logger.getLogger("io.helidon");

    /** The maximum size of a request's body, which suffices for a prompt of any context. */
    private static final int MOST_BYTES = 16 << 20;

    /** Longer bodies are refused without being read, so that a client cannot occupy the server. */
    private static final long MOST_READ_BYTES = 8L * MOST_BYTES;

    private static final String MODELS = "/v1/models/";

    private final ServedModel served;
    private final Tokenizer tokenizer;
    private final Engine engine;
    private final PrometheusMeterRegistry meters;
    private final Options options;
    private final ClientWatch.Connections connections = new ClientWatch.Connections();
    private final WebServer server;

    /**
     * The server's address and API key.
     *
     * @param host an address or a name of this machine
     * @param port the TCP port, or 0 for any free port
     * @param key the API key that clients must send, or null
     */
    public record Options(String host, int port, @Nullable String key) {
        public Options {
            if (port < 0 || port > 65_535) {
                throw new ServeException(
                        "port " + port + " does not exist; give one from 1 to 65535, or 0 for a free one");
            }
            if (key != null && key.isBlank()) {
                throw new ServeException("the API key is empty; give a key, or leave it out");
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
                .maxPayloadSize(MOST_READ_BYTES)
                .directHandlers(HttpResponses.beforeRouting(MOST_BYTES))
                .addProtocol(
                        Http1Config.builder().addReceiveListener(connections).build())
                .connectionOptions(SocketOptions.builder().tcpNoDelay(true).build())
                .shutdownGracePeriod(Duration.ofSeconds(1))
                .routing(this::route)
                .build();
    }

    /**
     * Starts a server. It accepts requests when this method returns, and generates texts while the engine runs.
     *
     * @param served the description of the engine's model
     * @param engine an engine with the same model and tokenizer
     * @throws ServeException if the server cannot listen on the address
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

    /** Checks the port first, because Helidon only logs a stack trace if it cannot listen. */
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

    /** Returns the server's base URI. */
    public URI uri() {
        String host = options.host();
        return URI.create("http://" + (host.contains(":") ? "[" + host + "]" : host) + ":" + server.port());
    }

    private void route(HttpRouting.Builder routing) {
        routing.addFilter(this::filter);
        Dashboard.route(routing);
        HttpResponses.get(routing, "/health", (request, response) -> json(request, response, served.health()));
        HttpResponses.get(
                routing,
                "/metrics",
                (request, response) -> HttpResponses.send(
                        request,
                        response,
                        "text/plain; version=0.0.4; charset=utf-8",
                        meters.scrape().getBytes(StandardCharsets.UTF_8)));
        HttpResponses.get(
                routing,
                "/status",
                (request, response) ->
                        json(request, response, served.status(engine.load(), engine.expertLoad(), meters)));
        routing.any("/v1/*", this::requireKey);
        HttpResponses.get(routing, "/v1/models", (request, response) -> json(request, response, served.list()));
        HttpResponses.get(routing, MODELS + "{+model}", this::model);
        HttpResponses.post(routing, "/v1/completions", this::complete);
        routing.any("/v1/chat/completions", (_, _) -> {
                    throw ApiException.missing(
                            null, null, "this model is not trained to chat; use /v1/completions with a prompt");
                })
                .any((request, _) -> {
                    throw ApiException.missing(
                            null,
                            null,
                            request.prologue().method() + " "
                                    + request.path().path()
                                    + " does not exist; use GET /v1/models or POST /v1/completions");
                })
                .error(Throwable.class, ModelServer::fail);
    }

    private void filter(FilterChain chain, RoutingRequest request, RoutingResponse response) {
        String host = request.headers().first(HeaderNames.HOST).orElse("");
        if (options.key() == null && loopback(options.host()) && !new HostNames(options.host()).include(host)) {
            String message = "without an API key this server accepts only localhost as Host, not '" + host
                    + "'; start it with --api-key, or let the proxy send the upstream's name as Host";
            HttpResponses.fail(request, response, ApiException.of(403, message));
        } else {
            chain.proceed();
        }
        // Helidon sends "Connection: close" but keeps the connection open.
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
        HttpResponses.fail(request, response, told);
    }

    private static void json(ServerRequest request, ServerResponse response, ObjectNode body) {
        HttpResponses.json(request, response, 200, body);
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
                throw ApiException.of(401, "this server needs an API key: send 'Authorization: Bearer KEY'");
            }
        }
        response.next();
    }

    /** Answers for one model. Its name may contain slashes, plain or encoded. */
    private void model(ServerRequest request, ServerResponse response) {
        String name = request.prologue().uriPath().rawPath().substring(MODELS.length());
        served.requireName(URLDecoder.decode(name.replace("+", "%2B"), StandardCharsets.UTF_8));
        json(request, response, served.entry());
    }

    private void complete(ServerRequest request, ServerResponse response) throws InterruptedException, IOException {
        String type = request.headers().first(HeaderNames.CONTENT_TYPE).orElse("");
        // Otherwise a page of another site could send requests through its reader's browser.
        if (!type.toLowerCase(Locale.ROOT).startsWith("application/json")) {
            throw ApiException.of(415, "the body must be JSON: send 'Content-Type: application/json'");
        }
        CompletionRequest wanted = CompletionRequest.read(
                body(request), served, tokenizer, engine.limits().waiting());
        ClientWatch client = connections.watch(request, response);
        CompletionTask completions = new CompletionTask(wanted, engine, served.name(), tokenizer, client::left);
        try {
            if (wanted.stream()) {
                stream(completions, response);
            } else {
                json(request, response, whole(completions));
            }
        } catch (CompletionTask.ClientLeftException e) {
            LOG.info("a client disconnected before its response was complete; its texts are cancelled");
            throw new CloseConnectionException("the client left", e);
        }
    }

    /**
     * Reads a request's body. A body that is too long is read to its end before it is refused: if the connection closed
     * while the client still sends, the client would see a reset instead of the response.
     */
    private static byte[] body(ServerRequest request) throws IOException {
        if (!request.content().hasEntity()) {
            return new byte[0];
        }
        try (InputStream in = request.content().inputStream()) {
            byte[] body = in.readNBytes(MOST_BYTES + 1);
            if (body.length > MOST_BYTES) {
                in.transferTo(OutputStream.nullOutputStream());
                throw ApiException.of(413, HttpResponses.tooLong(MOST_BYTES));
            }
            return body;
        }
    }

    private static ObjectNode whole(CompletionTask completions) throws InterruptedException {
        try (completions) {
            ObjectNode body = completions.whole();
            LOG.info("{}", completions);
            return body;
        }
    }

    /** Sends server-sent events. Helidon's own support rejects clients that accept only JSON, such as OpenAI's. */
    private static void stream(CompletionTask completions, ServerResponse response)
            throws InterruptedException, IOException {
        response.header(HeaderNames.CONTENT_TYPE, "text/event-stream; charset=utf-8")
                .header(HeaderNames.CACHE_CONTROL, "no-cache")
                .header(HeaderNames.create("X-Accel-Buffering"), "no"); // nginx would buffer the chunks
        // Close the texts before the response, whose closing may wait long for the client's next request.
        try (OutputStream out = response.outputStream();
                completions) {
            try {
                completions.stream(piece -> send(out, piece.toString()));
                send(out, "[DONE]");
                LOG.info("{}", completions);
            } catch (CompletionTask.ClientLeftException e) {
                throw e;
            } catch (RuntimeException | Error e) {
                if (!(e instanceof ApiException)) {
                    LOG.error("a request failed", e);
                }
                // The status has already been sent.
                send(out, CompletionResponse.error(ApiException.of(e)).toString());
            }
        }
    }

    private static void send(OutputStream out, String event) {
        try {
            out.write(("data: " + event + "\n\n").getBytes(StandardCharsets.UTF_8));
            out.flush();
        } catch (IOException | UncheckedIOException e) {
            throw new CompletionTask.ClientLeftException(e);
        }
    }

    /** Stops the server. Responses in progress are cut off. */
    @Override
    public void close() {
        server.stop();
    }
}
