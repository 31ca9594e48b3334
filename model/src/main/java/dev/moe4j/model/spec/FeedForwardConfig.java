package dev.moe4j.model.spec;

/**
 * The form of feed-forward networks: dense layers, shared experts and routed experts. Configuration keys are these names
 * under {@code model.feed_forward}.
 *
 * @param gated whether the network is fc2(activation(gate(h)) · up(h)), as SwiGLU is with the activation {@code silu}
 *     (Shazeer 2020), instead of fc2(activation(fc1(h)))
 * @param bias whether the linear layers have a bias
 */
public record FeedForwardConfig(boolean gated, boolean bias) {

    /** The networks of the published system. */
    public static final FeedForwardConfig PUBLISHED = new FeedForwardConfig(false, true);
}
