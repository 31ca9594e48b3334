package dev.moe4j.text.source;

import java.io.IOException;

/** Input that cannot be used. The message is one line: what is wrong, where, what to do. */
public final class BadInputException extends IOException {
    private final Skipped.Reason reason;
    private final String line;

    BadInputException(Skipped.Reason reason, String message) {
        super(message);
        this.line = message;
        this.reason = reason;
    }

    BadInputException(Skipped.Reason reason, String message, Throwable cause) {
        super(message, cause);
        this.line = message;
        this.reason = reason;
    }

    /** What it counts as where it is left out. */
    public Skipped.Reason reason() {
        return reason;
    }

    /** The message. */
    String line() {
        return line;
    }
}
