package dev.moe4j.base.text;

import org.jspecify.annotations.Nullable;

/** Extracts the first line of a library's message. Further lines may hold excerpts, positions or a native stack trace. */
public final class FirstLine {
    private FirstLine() {}

    /** Returns the first line of a message; the empty string for null. */
    public static String of(@Nullable String message) {
        return message == null ? "" : message.lines().findFirst().orElse("");
    }

    /** Returns the first line of an exception's message; the name of the exception's class without one. */
    public static String of(Throwable e) {
        String line = of(e.getMessage());
        return line.isEmpty() ? e.getClass().getSimpleName() : line;
    }
}
