package dev.moe4j.parallel.layout;

import java.util.Locale;

/**
 * The parameter state that is sharded over data parallel ranks instead of replicated. These are stages 0 to 3 of ZeRO, the
 * sharded optimizer (Rajbhandari et al. 2020, <a href="https://arxiv.org/abs/1910.02054">ZeRO</a>). Each stage includes
 * the earlier ones.
 */
public enum Sharding {
    /** Stage 0: every rank holds all state. */
    NONE,
    /** Stage 1: master weights and optimizer moments are sharded. */
    OPTIMIZER,
    /** Stage 2: gradients too. Each gradient shard is reduced to the rank that owns it (reduce-scatter). */
    GRADIENTS,
    /** Stage 3: working parameters too. The parameters of a section are gathered before it runs (all-gather). */
    PARAMETERS;

    /** Whether this level shards the state that {@code level} shards. */
    public boolean includes(Sharding level) {
        return compareTo(level) >= 0;
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
