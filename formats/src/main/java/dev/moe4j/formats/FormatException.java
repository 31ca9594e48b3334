package dev.moe4j.formats;

import dev.moe4j.base.UserException;

/**
 * A file that violates its format, or cannot be read or written. The message may contain text from hostile files, so control
 * characters are escaped.
 */
public final class FormatException extends UserException {

    public FormatException(String message) {
        super(escaped(message));
    }

    public FormatException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
