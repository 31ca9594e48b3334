package dev.moe4j.text;

import dev.moe4j.base.UserException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Bad input or a failed read or write. The message is one line: what is wrong, where, what to do. */
public final class DataException extends UserException {

    /** With a message of one line. */
    public DataException(String message) {
        super(message);
    }

    /** With a message of one line and its cause. */
    public DataException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * The exception for a failed read or write.
     *
     * @param doing what failed, as in "cannot read /a/b"
     * @param advice what to do about it
     */
    public static DataException of(String doing, IOException cause, String advice) {
        return new DataException(doing + ": " + reason(cause) + "; " + advice, cause);
    }

    /** Why a file could not be read or written, in words: the message of some exceptions is the file's name alone. */
    public static String reason(IOException cause) {
        return switch (cause) {
            case NoSuchFileException _ -> "it does not exist";
            case AccessDeniedException _ -> "permission denied";
            case FileAlreadyExistsException _ -> "a file is in the way";
            case FileSystemException e when e.getReason() != null -> oneLine(e.getReason());
            default -> {
                String message = cause.getMessage();
                yield message == null ? cause.getClass().getSimpleName() : oneLine(message);
            }
        };
    }

    /** The text with control characters, line breaks among them, made visible as {@code ?}. */
    public static String oneLine(String text) {
        StringBuilder line = new StringBuilder(Math.min(text.length(), 300));
        text.codePoints()
                .limit(300)
                .map(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT ? '?' : c)
                .forEach(line::appendCodePoint);
        return line.toString();
    }
}
