package dev.moe4j.base;

import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A failure that the user can correct. The message is one line: what is wrong, where, and what to do. The command line
 * prints the message without a stack trace. Each module has one subclass.
 */
public abstract class UserException extends RuntimeException {

    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\\u2028\\u2029]");

    protected UserException(String message) {
        super(message);
    }

    protected UserException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /** Replaces control characters and line separators by Unicode escapes: names from hostile files may contain them. */
    protected static String escaped(String message) {
        return CONTROL.matcher(message)
                .replaceAll(match ->
                        "\\\\u" + String.format("%04x", (int) match.group().charAt(0)));
    }
}
