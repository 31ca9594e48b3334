package dev.moe4j.cli.rotten.model.egg;

import dev.moe4j.cli.rotten.model.hen.Hen;

/** Comes from the other package. */
public record Egg(Hen mother) {}
