package dev.moe4j.model.spec;

/** The kind of position encoding. */
public enum Positions {
    /** A fixed table of sines and cosines, added to token embeddings (Vaswani et al. 2017). */
    SINUSOIDAL,
    /** A trained table with one row per position of the context, added to token embeddings (Gehring et al. 2017). */
    LEARNED,
    /** A rotation of queries and keys (Su et al. 2021), by {@link RopeConfig}. */
    ROPE
}
