package dev.moe4j.model;

/** A model, its configuration or its files are not as they should be; the message says what, where and what to do. */
public final class ModelException extends RuntimeException {

    public ModelException(String message) {
        super(message);
    }

    public ModelException(String message, Throwable cause) {
        super(message, cause);
    }
}
