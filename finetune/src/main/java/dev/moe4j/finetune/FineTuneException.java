package dev.moe4j.finetune;

import dev.moe4j.base.UserException;

/** A comparison cannot be made; the message says what, where and what to do. */
public final class FineTuneException extends UserException {

    public FineTuneException(String message) {
        super(message);
    }

    public FineTuneException(String message, Throwable cause) {
        super(message, cause);
    }
}
