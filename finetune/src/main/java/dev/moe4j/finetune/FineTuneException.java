package dev.moe4j.finetune;

import dev.moe4j.base.UserException;

/** Fine-tuning is impossible with this input. The message says what is wrong, where, and what to do. */
public final class FineTuneException extends UserException {

    public FineTuneException(String message) {
        super(message);
    }

    public FineTuneException(String message, Throwable cause) {
        super(message, cause);
    }
}
