package dev.moe4j.parallel.layout;

import dev.moe4j.base.UserException;
import org.jspecify.annotations.Nullable;

/**
 * What several processes cannot do together: a rank that is missing, has died, does not answer or differs, or a layout
 * that does not fit. The message names the rank, the exchange, how long it took, and what to do, in one line.
 */
public final class ParallelException extends UserException {

    public ParallelException(String message) {
        super(message);
    }

    public ParallelException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
