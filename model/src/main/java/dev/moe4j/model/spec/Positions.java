package dev.moe4j.model.spec;

/** The kind of position embedding. */
public enum Positions {
    /** A fixed table of sines and cosines (Vaswani et al. 2017). */
    SINUSOIDAL,
    /** A trained table with one row per position of the context (Gehring et al. 2017). */
    LEARNED
}
