package dev.moe4j.text;

import dev.moe4j.base.UserException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Reports bad input, or a failed read or write. The message is one line: what is wrong, where, and what to do. */
public final class DataException extends UserException {

    /** Creates an exception with a one-line message. */
    public DataException(String message) {
        super(message);
    }

    /** Creates an exception with a one-line message and a cause. */
    public DataException(String message, Throwable cause) {
        super(message, cause);
    }

    /**
     * Returns the exception for a failed read or write.
     *
     * @param doing the failed operation, for example "cannot read /a/b"
     * @param advice the remedy, for example "check the path"
     */
    public static DataException of(String doing, IOException cause, String advice) {
        return new DataException(doing + ": " + reason(cause) + "; " + advice, cause);
    }

    /** Describes why an access failed. The message of some exceptions is only the file name, so those get a text here. */
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

    /** Returns the first 300 code points of a text, with each control or format character replaced by {@code ?}. */
    public static String oneLine(String text) {
        StringBuilder line = new StringBuilder(Math.min(text.length(), 300));
        text.codePoints()
                .limit(300)
                .map(c -> Character.isISOControl(c) || Character.getType(c) == Character.FORMAT ? '?' : c)
                .forEach(line::appendCodePoint);
        return line.toString();
    }
}
