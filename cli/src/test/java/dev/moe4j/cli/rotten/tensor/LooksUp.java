package dev.moe4j.cli.rotten.tensor;

import dev.moe4j.cli.rotten.model.Layer;

/** Points upwards, in a signature only. */
abstract class LooksUp {
    abstract void use(Layer[] layers);
}
