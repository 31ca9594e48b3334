package dev.moe4j.bench;

/** A benchmark cannot run; the message says what, where and what to do. */
public final class BenchException extends RuntimeException {

    public BenchException(String message) {
        super(message);
    }

    public BenchException(String message, Throwable cause) {
        super(message, cause);
    }
}
