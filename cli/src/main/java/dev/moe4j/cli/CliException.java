package dev.moe4j.cli;

/** What a command cannot do for a reason that the user can mend. The message says what, where, and what to do. */
final class CliException extends RuntimeException {
    CliException(String message) {
        super(message);
    }

    CliException(String message, Throwable cause) {
        super(message, cause);
    }
}
