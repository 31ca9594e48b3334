package dev.moe4j.cli.rotten.model;

import dev.moe4j.cli.rotten.tensor.Fine;

/** Uses a module below: breaks no rule of arrows. */
public interface Layer {
    Class<?> BELOW = Fine.class;
}
