package dev.moe4j.model.spec;

import dev.moe4j.base.UserException;

/**
 * A model, a checkpoint or a configuration cannot be used. The message is one line for the person at the terminal:
 * what is wrong, where, and what to do about it. Names and texts of hostile files may be part of it, so control
 * characters, line ends among them, are shown as escapes.
 */
public class ModelException extends UserException {

    public ModelException(String message) {
        super(escaped(message));
    }

    public ModelException(String message, Throwable cause) {
        super(escaped(message), cause);
    }
}
