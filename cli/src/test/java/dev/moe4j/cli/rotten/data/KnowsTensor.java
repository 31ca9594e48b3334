package dev.moe4j.cli.rotten.data;

import dev.moe4j.cli.rotten.tensor.Fine;

/** Points sideways: data knows no tensor. */
final class KnowsTensor {
    private KnowsTensor() {}

    static String call() {
        return Fine.class.getName();
    }
}
