package dev.moe4j.eval;

/** A text cannot be scored; the message says what, where and what to do, in one line. */
public final class EvalException extends RuntimeException {

    public EvalException(String message) {
        super(message);
    }
}
