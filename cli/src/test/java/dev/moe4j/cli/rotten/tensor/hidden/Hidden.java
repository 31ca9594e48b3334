package dev.moe4j.cli.rotten.tensor.hidden;

/** For its own module. */
public interface Hidden {}
