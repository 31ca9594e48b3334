package dev.moe4j.cli.rotten.tensor;

import org.bytedeco.pytorch.Tensor;

/** Breaks no rule. */
public final class Fine {
    private Fine() {}

    public static Tensor twice(Tensor x) {
        return x.add(x);
    }
}
