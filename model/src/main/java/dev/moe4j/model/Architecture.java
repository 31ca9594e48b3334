package dev.moe4j.model;

/** Everything that decides what a model computes. A checkpoint holds it. */
public record Architecture(ModelConfig model, RoutingConfig routing, BalanceConfig balance) {

    public Architecture {
        if (model.experts() > 0 && routing.topK() > model.experts()) {
            throw new ModelException(
                    "routing.top_k: " + routing.topK() + " experts cannot be chosen among " + model.experts());
        }
    }

    public Architecture withVocabulary(int vocabulary) {
        return new Architecture(model.withVocabulary(vocabulary), routing, balance);
    }
}
