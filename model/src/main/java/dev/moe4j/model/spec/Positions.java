package dev.moe4j.model.spec;

/** How a token's place in its sequence is told to the model. */
public enum Positions {
    /** By a fixed table of sines and cosines (Vaswani et al. 2017). */
    SINUSOIDAL,
    /** By a table that training changes (Gehring et al. 2017), of as many places as the context. */
    LEARNED
}
