package dev.moe4j.tensor;

import dev.moe4j.base.UserException;

/**
 * A failed tensor operation. The message is one line with the operation, libtorch's reason and the shapes of the inputs.
 * libtorch's C++ stack trace is in the message of the cause.
 */
public final class TensorException extends UserException {

    public TensorException(String message) {
        super(message);
    }

    public TensorException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Translates an error of libtorch in {@code operation} on {@code inputs}. */
    public static TensorException of(String operation, RuntimeException cause, TensorBase... inputs) {
        if (cause instanceof TensorException known) {
            return known; // an input may be closed, and a closed tensor cannot be described
        }
        String reason = String.valueOf(cause.getMessage()).lines().findFirst().orElse("unknown reason");
        StringBuilder shapes = new StringBuilder();
        for (TensorBase input : inputs) {
            shapes.append(shapes.isEmpty() ? " (" : ", ").append(input.describe());
        }
        return new TensorException(operation + ": " + reason + (shapes.isEmpty() ? "" : shapes + ")"), cause);
    }
}
