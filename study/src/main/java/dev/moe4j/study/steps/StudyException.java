package dev.moe4j.study.steps;

import dev.moe4j.base.UserException;

/** A study, comparison or report is impossible. The message says what is wrong, where, and what to do. */
public final class StudyException extends UserException {

    public StudyException(String message) {
        super(message);
    }

    public StudyException(String message, Throwable cause) {
        super(message, cause);
    }
}
