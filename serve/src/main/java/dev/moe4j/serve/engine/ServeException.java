package dev.moe4j.serve.engine;

import dev.moe4j.base.UserException;

/** An error in a request or in the server's settings. The message names the error, its place and a remedy, in one line. */
public final class ServeException extends UserException {

    public ServeException(String message) {
        super(message);
    }
}
