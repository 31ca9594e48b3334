package dev.moe4j.parallel.layout;

import dev.moe4j.base.UserException;
import org.jspecify.annotations.Nullable;

/**
 * A failure of a distributed run: a rank is missing, dead, unresponsive or different from the others, or a layout does not
 * fit. The message names the rank, the collective, the time waited, and what to do, in one line.
 */
public final class ParallelException extends UserException {

    public ParallelException(String message) {
        super(message);
    }

    public ParallelException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
