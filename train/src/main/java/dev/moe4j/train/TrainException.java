package dev.moe4j.train;

import dev.moe4j.data.DataException;
import java.io.IOException;
import java.nio.file.Path;

/** A training run cannot start or go on; the message says what, where and what to do. */
public final class TrainException extends RuntimeException {

    public TrainException(String message) {
        super(message);
    }

    public TrainException(String message, Throwable cause) {
        super(message, cause);
    }

    /** What a user reads who has to make room, or to find out why a file of a run cannot be written. */
    static TrainException cannotWrite(Path file, IOException cause) {
        String advice =
                String.valueOf(cause.getMessage()).contains("No space left") ? "; free some space, then --resume" : "";
        return new TrainException("cannot write " + file + ": " + DataException.reason(cause) + advice, cause);
    }
}
