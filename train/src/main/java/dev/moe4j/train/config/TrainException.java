package dev.moe4j.train.config;

import dev.moe4j.base.UserException;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A training run cannot start or go on; the message says what, where and what to do. */
public final class TrainException extends UserException {

    public TrainException(String message) {
        super(message);
    }

    public TrainException(String message, Throwable cause) {
        super(message, cause);
    }

    /** A file of a run cannot be written: says why, and what to do before the run is resumed. */
    public static TrainException cannotWrite(Path file, IOException cause) {
        String advice = switch (cause) {
            case AccessDeniedException _ -> "make its folder writable";
            case NoSuchFileException _ -> "create its folder";
            default -> "check the disk and its free space";
        };
        return new TrainException(
                "cannot write " + file + ": " + DataException.reason(cause) + "; " + advice + ", then --resume", cause);
    }

    /** A folder was written, and the older one of its name, which was moved aside, cannot be deleted. */
    public static TrainException cannotReplace(Path written, IOException cause) {
        return new TrainException(
                written + " is written, but the older one cannot be deleted: " + cause.getMessage()
                        + "; delete what is left of it",
                cause);
    }
}
