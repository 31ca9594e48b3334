package dev.moe4j.serve.engine;

/** The reason why a generated text ended. */
public enum FinishReason {
    /** The model generated the end-of-text token. */
    END_OF_TEXT,
    /** The requested number of tokens was reached. */
    LENGTH,
    /** The text reached one of the request's stop texts. */
    STOP
}
