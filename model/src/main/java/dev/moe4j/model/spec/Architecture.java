package dev.moe4j.model.spec;

/** Everything that decides what a model computes. A checkpoint holds it. */
public record Architecture(ModelConfig model, RoutingConfig routing, BalanceConfig balance) {

    public Architecture {
        if (model.vocabulary() == ModelConfig.OF_TOKENIZER) {
            throw new ModelException("model.vocabulary: " + model.vocabulary() + " is too small; use at least 8");
        }
        if (model.experts() > 0 && routing.topK() > model.experts()) {
            throw new ModelException(
                    "routing.top_k: " + routing.topK() + " experts cannot be chosen among " + model.experts());
        }
    }

    /** The same for sequences each by itself: where several share experts' places, each has a group of its own. */
    public Architecture ungrouped() {
        return routing.group() > 1 ? new Architecture(model, routing.ungrouped(), balance) : this;
    }

    public Architecture withVocabulary(int vocabulary) {
        return new Architecture(model.withVocabulary(vocabulary), routing, balance);
    }
}
