package dev.moe4j.bench;

import dev.moe4j.base.UserException;

/** A benchmark cannot run; the message says what, where and what to do. */
public final class BenchException extends UserException {

    public BenchException(String message) {
        super(message);
    }

    public BenchException(String message, Throwable cause) {
        super(message, cause);
    }
}
