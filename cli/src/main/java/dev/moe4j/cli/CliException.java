package dev.moe4j.cli;

import dev.moe4j.base.UserException;

/** What a command cannot do for a reason that the user can mend. The message says what, where, and what to do. */
final class CliException extends UserException {
    CliException(String message) {
        super(message);
    }

    CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
