package dev.moe4j.cli.rotten.model.hen;

import dev.moe4j.cli.rotten.model.egg.Egg;

/** Comes from the other package. */
public record Hen(Egg origin) {}
