package dev.moe4j.console.output;

import dev.moe4j.base.file.FullDisk;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * A command's exception as a message for the user.
 *
 * <p>Expected failures are one line without a stack trace. These are moe4j's own exceptions (each module declares
 * one, thrown on purpose and with a message for the user), file system errors, and an exhausted Java heap.
 * Anything else is a bug and is printed with its stack trace.
 */
public record Failure(Throwable cause, boolean expected, String message) {

    public static Failure of(Throwable e) {
        return switch (e) {
            case UncheckedIOException wrapped -> of(Objects.requireNonNullElse(wrapped.getCause(), wrapped));
            case NoSuchFileException file -> expected(e, file.getFile() + ": no such file or folder; check the path");
            case AccessDeniedException file ->
                expected(e, file.getFile() + ": permission denied; check its owner and mode, or choose another place");
            case FileAlreadyExistsException file ->
                expected(e, file.getFile() + ": already exists; remove it or choose another name");
            case NotDirectoryException file -> expected(e, file.getFile() + ": not a folder; give a folder");
            case DirectoryNotEmptyException file ->
                expected(e, file.getFile() + ": the folder is not empty; empty it or choose another one");
            case FileSystemException file -> expected(e, file.getFile() + ": " + fileReason(file, file.getReason()));
            case IOException io -> expected(e, fileReason(io, io.getMessage()));
            case OutOfMemoryError memory ->
                expected(e, "the Java heap is too small (" + memory.getMessage() + "); set MOE4J_JAVA_OPTS=-Xmx8g");
            default ->
                isOurs(e) && e.getMessage() != null
                        ? expected(e, e.getMessage())
                        : new Failure(e, false, "internal error: " + e);
        };
    }

    /** Prints this failure and returns the exit code. */
    public int print(PrintWriter err, boolean debug) {
        if (debug || !expected) {
            cause.printStackTrace(err);
        }
        err.println("moe4j: " + message + (expected ? "" : ". This is a bug: please report it with the lines above"));
        return ExitCode.FAILED;
    }

    private static Failure expected(Throwable e, String message) {
        return new Failure(e, true, message.strip().replaceAll("\\s*\\R\\s*", " "));
    }

    private static boolean isOurs(Throwable e) {
        return e instanceof RuntimeException && e.getClass().getName().startsWith("dev.moe4j.");
    }

    private static String fileReason(IOException failure, @Nullable String reason) {
        return FullDisk.explains(failure)
                ? "the disk is full; free some space or choose a folder on another disk"
                : Objects.requireNonNullElse(reason, "cannot be read or written");
    }
}
