package dev.moe4j.model.spec;

/**
 * What experts' gradients are divided by where several processes train. Every expert gets tokens from all of them, so that
 * its gradient is a sum over the same tokens as a dense parameter's.
 */
public enum ExpertGradients {
    /** By the tokens of the step, as all others: the number of processes changes nothing. */
    EXACT,
    /** By the root of the number of processes where others are divided by that number, as the published system does. */
    SQRT_WORLD_SIZE;

    /** What the exact gradient is multiplied by. */
    public double factor(int world) {
        return switch (this) {
            case EXACT -> 1;
            case SQRT_WORLD_SIZE -> Math.sqrt(world);
        };
    }
}
