package dev.moe4j.model;

/**
 * A model, a checkpoint or a configuration cannot be used. The message is one line for the person at the terminal:
 * what is wrong, where, and what to do about it.
 */
public class ModelException extends RuntimeException {

    public ModelException(String message) {
        super(message);
    }

    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
