package dev.moe4j.model;

import java.util.regex.Pattern;

/**
 * A model, a checkpoint or a configuration cannot be used. The message is one line for the person at the terminal:
 * what is wrong, where, and what to do about it. Names and texts of hostile files may be part of it, so control
 * characters, line ends among them, are shown as escapes.
 */
public class ModelException extends RuntimeException {

    private static final Pattern CONTROL = Pattern.compile("[\\p{Cc}\\u2028\\u2029]");

    public ModelException(String message) {
        super(oneLine(message));
    }

    public ModelException(String message, Throwable cause) {
        super(oneLine(message), cause);
    }

    private static String oneLine(String message) {
        return CONTROL.matcher(message)
                .replaceAll(match ->
                        "\\\\u" + String.format("%04x", (int) match.group().charAt(0)));
    }
}
