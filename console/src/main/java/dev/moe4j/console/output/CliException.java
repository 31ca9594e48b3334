package dev.moe4j.console.output;

import dev.moe4j.base.UserException;

/** What a command cannot do for a reason that the user can mend. The message says what, where, and what to do. */
public final class CliException extends UserException {
    public CliException(String message) {
        super(message);
    }

    public CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
