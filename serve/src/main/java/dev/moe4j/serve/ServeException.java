package dev.moe4j.serve;

/** Text cannot be generated; the message says what, where and what to do, in one line. */
public final class ServeException extends RuntimeException {

    public ServeException(String message) {
        super(message);
    }
}
