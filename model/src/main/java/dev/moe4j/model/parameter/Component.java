package dev.moe4j.model.parameter;

/** The part of a model that a parameter belongs to. */
public enum Component {
    EMBEDDING,
    NORM,
    ATTENTION,
    FEED_FORWARD,
    ROUTER,
    EXPERTS,
    SHARED_EXPERTS,
    HEAD
}
