package dev.moe4j.text.source;

import java.io.IOException;

/** Reports input that cannot be used. The message is one line: what is wrong, where, and what to do. */
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

    /** Returns the reason under which the input is counted if bad input is skipped. */
    public Skipped.Reason reason() {
        return reason;
    }

    /** Returns the message, which is never null. */
    String line() {
        return line;
    }
}
