package dev.moe4j.console.output;

import dev.moe4j.base.UserException;

/** A failure of a command that the user can correct. The message names the error, its place and the remedy. */
public final class CliException extends UserException {
    public CliException(String message) {
        super(message);
    }

    public CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
