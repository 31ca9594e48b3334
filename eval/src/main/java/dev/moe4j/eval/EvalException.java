package dev.moe4j.eval;

import dev.moe4j.base.UserException;

/** A text cannot be scored; the message says what, where and what to do, in one line. */
public final class EvalException extends UserException {

    public EvalException(String message) {
        super(message);
    }
}
