package dev.moe4j.train.config;

/** Whose definition of an optimizer or schedule counts where the published system's differs from the usual one. */
public enum UpdateConvention {
    /** What the field's papers and libraries do. */
    PLAIN,
    /** What the published system does, for reproducing its runs. */
    PUBLISHED
}
