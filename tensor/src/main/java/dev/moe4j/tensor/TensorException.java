package dev.moe4j.tensor;

import dev.moe4j.base.UserException;

/**
 * A failed tensor operation. The message is one line: the operation, libtorch's reason and the shapes involved; the
 * C++ trace, where there is one, stays in the cause.
 */
public final class TensorException extends UserException {

    public TensorException(String message) {
        super(message);
    }

    public TensorException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Translates an error that libtorch threw in {@code operation}, called on {@code inputs}. */
    public static TensorException of(String operation, RuntimeException cause, TensorBase... inputs) {
        if (cause instanceof TensorException known) {
            return known; // of a closed tensor, which cannot be described
        }
        String reason = String.valueOf(cause.getMessage()).lines().findFirst().orElse("unknown reason");
        StringBuilder shapes = new StringBuilder();
        for (TensorBase input : inputs) {
            shapes.append(shapes.isEmpty() ? " (" : ", ").append(input.describe());
        }
        return new TensorException(operation + ": " + reason + (shapes.isEmpty() ? "" : shapes + ")"), cause);
    }
}
