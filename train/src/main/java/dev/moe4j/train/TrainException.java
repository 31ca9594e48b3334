package dev.moe4j.train;

/** A training run cannot start or go on; the message says what, where and what to do. */
public final class TrainException extends RuntimeException {

    public TrainException(String message) {
        super(message);
    }

    public TrainException(String message, Throwable cause) {
        super(message, cause);
    }
}
