package dev.moe4j.formats;

import dev.moe4j.base.UserException;

/** A file contradicts its format, or cannot be read or written. Names from hostile files may be part of the message, so control characters are escaped. */
public final class FormatException extends UserException {

    public FormatException(String message) {
        super(escaped(message));
    }

    public FormatException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
