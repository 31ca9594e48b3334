package dev.moe4j.train.config;

/** Whose definition of optimizer or schedule applies, where the published system differs from common practice. */
public enum UpdateConvention {
    /** The definition in the original papers and common libraries. */
    PLAIN,
    /** The definition of the published system, to reproduce its runs. */
    PUBLISHED
}
