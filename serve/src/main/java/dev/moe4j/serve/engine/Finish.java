package dev.moe4j.serve.engine;

/** Why a text ended. */
public enum Finish {
    /** The model ended it. */
    END_OF_TEXT,
    /** As many tokens were made as were asked for. */
    LENGTH,
    /** One of the request's stop texts came. */
    STOP
}
