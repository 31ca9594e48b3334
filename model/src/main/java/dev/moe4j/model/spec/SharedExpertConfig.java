package dev.moe4j.model.spec;

/**
 * The network of the shared experts, which every token passes through. Used if {@code model.shared_experts} is not 0.
 * Configuration keys are these names under {@code model.shared}.
 *
 * @param ffn the inner width of all shared experts together; 0 for {@code model.shared_experts · model.expert_ffn}
 * @param gated whether the output is multiplied by sigmoid(gate · h), a number per token (Qwen2-MoE)
 */
public record SharedExpertConfig(int ffn, boolean gated) {

    /** As wide as the routed experts, without a gate. */
    public static final SharedExpertConfig DEFAULT = new SharedExpertConfig(0, false);

    public SharedExpertConfig {
        if (ffn < 0) {
            throw new ModelException(
                    "model.shared.ffn: " + ffn + " is negative; use 0 for model.shared_experts times model.expert_ffn");
        }
    }
}
