package dev.moe4j.serve.http;

import io.helidon.http.DirectHandler;
import io.helidon.http.DirectHandler.EventType;
import io.helidon.http.DirectHandler.TransportResponse;
import io.helidon.http.HeaderNames;
import io.helidon.http.Method;
import io.helidon.http.PathMatchers;
import io.helidon.http.Status;
import io.helidon.webserver.http.DirectHandlers;
import io.helidon.webserver.http.Handler;
import io.helidon.webserver.http.HttpRouting;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.node.ObjectNode;

/** Routes paths and sends responses. {@code HEAD} works like {@code GET} without the body, and errors have OpenAI's format. */
final class HttpResponses {
    private static final String JSON = "application/json";
    private static final Method[] READING = {Method.GET, Method.HEAD};

    private HttpResponses() {}

    /** Routes {@code GET} and {@code HEAD}. Other methods get status 405. */
    static void get(HttpRouting.Builder routing, String path, Handler handler) {
        routing.route(Method.predicate(READING), PathMatchers.create(path), handler);
        routing.any(path, (request, response) -> refuseMethod(request, response, "GET, HEAD"));
    }

    /** Routes {@code POST}. Other methods get status 405. */
    static void post(HttpRouting.Builder routing, String path, Handler handler) {
        routing.post(path, handler);
        routing.any(path, (request, response) -> refuseMethod(request, response, "POST"));
    }

    private static void refuseMethod(ServerRequest request, ServerResponse response, String allowed) {
        response.header(HeaderNames.ALLOW, allowed);
        String message = request.prologue().method() + " is not allowed for "
                + request.path().path() + "; use " + allowed;
        fail(request, response, ApiException.of(405, message));
    }

    static void json(ServerRequest request, ServerResponse response, int status, ObjectNode body) {
        response.status(status);
        send(request, response, JSON, body.toString().getBytes(StandardCharsets.UTF_8));
    }

    /** Sends a body, or only its headers for a {@code HEAD} request. */
    static void send(ServerRequest request, ServerResponse response, String type, byte[] body) {
        response.header(HeaderNames.CONTENT_TYPE, type);
        if (request.prologue().method().equals(Method.HEAD)) {
            response.header(HeaderNames.CONTENT_LENGTH, String.valueOf(body.length));
            response.send();
        } else {
            response.send(body);
        }
    }

    static void fail(ServerRequest request, ServerResponse response, ApiException problem) {
        if (problem.status() == 503) {
            response.header(HeaderNames.RETRY_AFTER, "1");
        }
        json(request, response, problem.status(), CompletionResponse.error(problem));
    }

    /** Returns the handlers for requests that Helidon rejects before routing. */
    static DirectHandlers beforeRouting(long mostBytes) {
        DirectHandler handler = (request, type, status, headers, message) -> {
            ApiException told = ApiException.of(status.code(), refusal(request, status, message, mostBytes));
            return TransportResponse.builder()
                    .status(status)
                    .headers(headers)
                    .header(HeaderNames.CONTENT_TYPE, JSON)
                    .keepAlive(type.keepAlive())
                    .entity(CompletionResponse.error(told).toString())
                    .build();
        };
        DirectHandlers.Builder all = DirectHandlers.builder();
        for (EventType type : EventType.values()) {
            all.addHandler(type, handler);
        }
        return all.build();
    }

    /** Returns the message for a body of more than a number of bytes. */
    static String tooLong(long mostBytes) {
        return "the body has more than " + mostBytes + " bytes; send fewer or shorter prompts per request";
    }

    private static String refusal(
            DirectHandler.TransportRequest request, Status status, @Nullable String message, long mostBytes) {
        if (status.code() == 413) {
            return tooLong(mostBytes);
        }
        if (status.code() == 400 && request.headers().contains(HeaderNames.CONTENT_ENCODING)) {
            return "the body must not be compressed; leave Content-Encoding out";
        }
        return message == null || message.isEmpty() ? status.reasonPhrase() : message;
    }
}
