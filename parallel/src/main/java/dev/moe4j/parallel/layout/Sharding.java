package dev.moe4j.parallel.layout;

import java.util.Locale;

/**
 * What of the parameters' state each rank keeps a share of only, instead of a copy: each level includes those before it
 * (Rajbhandari et al. 2020, <a href="https://arxiv.org/abs/1910.02054">ZeRO</a>, stages 0 to 3).
 */
public enum Sharding {
    /** Every rank keeps all. */
    NONE,
    /** The master and the optimizer's moments are shared out. */
    OPTIMIZER,
    /** Gradients too: reduced to the rank that keeps their share. */
    GRADIENTS,
    /** The working copy too: a section's parameters are gathered before it runs. */
    PARAMETERS;

    /** Whether what {@code level} shards is sharded. */
    public boolean includes(Sharding level) {
        return compareTo(level) >= 0;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
