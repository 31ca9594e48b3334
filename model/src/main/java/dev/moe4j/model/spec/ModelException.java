package dev.moe4j.model.spec;

import dev.moe4j.base.UserException;

/**
 * Thrown if a model, a checkpoint or a configuration cannot be used. The message is one line for the user: what is
 * wrong, where, and what to do about it. A message may quote names and strings of hostile files, so control characters,
 * including line ends, are escaped.
 */
public class ModelException extends UserException {

    public ModelException(String message) {
        super(escaped(message));
    }

    public ModelException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
