package dev.moe4j.train.config;

import dev.moe4j.base.UserException;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** A training run cannot start or continue. The message names the problem, the place and the remedy. */
public final class TrainException extends UserException {

    /** The key that has changed, if allowing its change would help; else null. */
    private final @Nullable String changedKey;

    public TrainException(String message) {
        super(message);
        this.changedKey = null;
    }

    public TrainException(String message, Throwable cause) {
        super(message, cause);
        this.changedKey = null;
    }

    private TrainException(String message, String changedKey) {
        super(message);
        this.changedKey = changedKey;
    }

    /**
     * Creates the exception for a run whose changed configuration would change the results.
     *
     * @param key the first changed key
     */
    public static TrainException changed(String message, String key) {
        return new TrainException(message, key);
    }

    /** Returns the key whose change must be allowed to resume; empty for other failures. */
    public Optional<String> changedKey() {
        return Optional.ofNullable(changedKey);
    }

    /** Creates the exception for a file of a run that cannot be written, with advice by the cause. */
    public static TrainException cannotWrite(Path file, IOException cause) {
        String advice = switch (cause) {
            case AccessDeniedException _ -> "make its folder writable";
            case NoSuchFileException _ -> "create its folder";
            default -> "check the disk and its free space";
        };
        return new TrainException(
                "cannot write " + file + ": " + DataException.reason(cause) + "; " + advice + ", then resume the run",
                cause);
    }

    /**
     * Creates the exception for a folder that was written, but whose older version, which was moved aside, cannot be
     * deleted.
     */
    public static TrainException cannotReplace(Path written, IOException cause) {
        return new TrainException(
                written + " is written, but the older one cannot be deleted: " + cause.getMessage()
                        + "; delete the rest of it",
                cause);
    }
}
