package dev.moe4j.model.spec;

/** The complete description of a model's computation. A checkpoint stores it. */
public record Architecture(ModelConfig model, RoutingConfig routing, BalanceConfig balance) {

    public Architecture {
        if (model.vocabulary() == ModelConfig.OF_TOKENIZER) {
            throw new ModelException("model.vocabulary: " + model.vocabulary() + " is too small; use at least 8");
        }
        if (model.experts() > 0 && routing.topK() > model.experts()) {
            throw new ModelException("routing.top_k: cannot choose " + routing.topK() + " of " + model.experts()
                    + " experts; use at most " + model.experts());
        }
    }

    /** The same architecture with one routing group per sequence, if several sequences share a capacity. */
    public Architecture ungrouped() {
        return routing.group() > 1 ? new Architecture(model, routing.ungrouped(), balance) : this;
    }

    public Architecture withVocabulary(int vocabulary) {
        return new Architecture(model.withVocabulary(vocabulary), routing, balance);
    }
}
