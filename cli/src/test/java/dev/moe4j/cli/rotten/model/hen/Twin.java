package dev.moe4j.cli.rotten.model.hen;

/** Has a namesake in another package. */
public interface Twin {}
