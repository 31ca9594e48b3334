package dev.moe4j.serve.engine;

import dev.moe4j.base.UserException;

/** Text cannot be generated; the message says what, where and what to do, in one line. */
public final class ServeException extends UserException {

    public ServeException(String message) {
        super(message);
    }
}
