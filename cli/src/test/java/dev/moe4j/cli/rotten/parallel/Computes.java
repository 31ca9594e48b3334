package dev.moe4j.cli.rotten.parallel;

import org.bytedeco.pytorch.Scalar;

/** Uses more of libtorch than its process groups. */
final class Computes {
    private Computes() {}

    static Scalar one() {
        return new Scalar(1);
    }
}
