package dev.moe4j.console.output;

import dev.moe4j.base.UserException;

/** A failure of a command that the user can correct. The message says what is wrong, where, and what to do. */
public final class CliException extends UserException {
    public CliException(String message) {
        super(message);
    }

    public CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
