package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.ServeException;
import io.helidon.http.HttpException;
import org.jspecify.annotations.Nullable;

/** An error response in OpenAI's format. */
public final class ApiException extends RuntimeException {
    private final int status;
    private final String type;
    private final @Nullable String parameter;
    private final @Nullable String code;

    private ApiException(
            int status, String type, @Nullable String parameter, @Nullable String code, @Nullable String message) {
        super(message);
        this.status = status;
        this.type = type;
        this.parameter = parameter;
        this.code = code;
    }

    /** Returns status 400 for a wrong parameter, or for a wrong request if {@code parameter} is null. */
    static ApiException invalid(@Nullable String parameter, String message) {
        return invalid(parameter, null, message);
    }

    /** Returns status 400 with an error code for programs. */
    static ApiException invalid(@Nullable String parameter, @Nullable String code, String message) {
        return new ApiException(400, "invalid_request_error", parameter, code, message);
    }

    /** Returns status 404. */
    static ApiException missing(@Nullable String parameter, @Nullable String code, String message) {
        return new ApiException(404, "invalid_request_error", parameter, code, message);
    }

    /** Returns an error with any HTTP status. */
    public static ApiException of(int status, String message) {
        return new ApiException(status, status < 500 ? "invalid_request_error" : "server_error", null, null, message);
    }

    /** Returns the response to a failure. It hides internal errors, which are only logged. */
    public static ApiException of(Throwable problem) {
        return switch (problem) {
            case ApiException known -> known;
            case Engine.BusyException busy -> of(503, String.valueOf(busy.getMessage()));
            case ServeException told -> of(500, String.valueOf(told.getMessage()));
            case HttpException http -> of(http.status().code(), String.valueOf(http.getMessage()));
            case OutOfMemoryError _ ->
                of(
                        500,
                        "the server's memory is too small for this request; ask for fewer or shorter texts per request");
            default -> of(500, "the server failed; see its log");
        };
    }

    public int status() {
        return status;
    }

    String type() {
        return type;
    }

    @Nullable
    String parameter() {
        return parameter;
    }

    @Nullable
    String code() {
        return code;
    }
}
