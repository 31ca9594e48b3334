package dev.moe4j.cli.rotten.model.egg;

/** Has a namesake in another package. */
public interface Twin {}
