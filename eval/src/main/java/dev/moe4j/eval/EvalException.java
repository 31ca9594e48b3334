package dev.moe4j.eval;

import dev.moe4j.base.UserException;

/**
 * A model cannot be evaluated, or its input cannot be read. The message names the problem, the place and the remedy in
 * one line.
 */
public final class EvalException extends UserException {

    public EvalException(String message) {
        super(message);
    }
}
