package dev.moe4j.base.text;

import org.jspecify.annotations.Nullable;

/** The first line of a library's message, which may go on with excerpts, positions or a native stack trace. */
public final class FirstLine {
    private FirstLine() {}

    /** Returns the first line of a text; an empty text for null. */
    public static String of(@Nullable String message) {
        return message == null ? "" : message.lines().findFirst().orElse("");
    }

    /** Returns the first line of an exception's message; the exception's class if it has no message. */
    public static String of(Throwable e) {
        String line = of(e.getMessage());
        return line.isEmpty() ? e.getClass().getSimpleName() : line;
    }
}
