package dev.moe4j.model.spec;

/**
 * How experts' gradients are scaled when several processes train. Every expert receives tokens from all processes, so
 * its gradient is a sum over the same tokens as a dense parameter's gradient.
 */
public enum ExpertGradients {
    /** Divided by the step's number of tokens, like all gradients. The number of processes changes nothing. */
    EXACT,
    /** Divided by the square root of the number of processes instead of that number, as in the published system. */
    SQRT_WORLD_SIZE;

    /** The factor by which the exact gradient is multiplied. */
    public double factor(int world) {
        return switch (this) {
            case EXACT -> 1;
            case SQRT_WORLD_SIZE -> Math.sqrt(world);
        };
    }
}
