package dev.moe4j.model.spec;

import java.util.List;

/** Builds a {@link ModelConfig} from another one. The methods set the components of the same name. */
public final class ModelConfigBuilder {

    private int layers;
    private int width;
    private int heads;
    private int ffn;
    private int vocabulary;
    private int context;
    private Positions positions;
    private boolean tied;
    private Activation activation;
    private double dropout;
    private double attentionDropout;
    private double activationDropout;
    private int padding;
    private int experts;
    private int expertEvery;
    private int expertFfn;
    private int sharedExperts;
    private List<Integer> denseLayers;
    private NormConfig norm;
    private RopeConfig rope;
    private AttentionConfig attention;
    private FeedForwardConfig feedForward;
    private SharedExpertConfig shared;
    private MultiplierConfig multipliers;

    ModelConfigBuilder(ModelConfig from) {
        layers = from.layers();
        width = from.width();
        heads = from.heads();
        ffn = from.ffn();
        vocabulary = from.vocabulary();
        context = from.context();
        positions = from.positions();
        tied = from.tied();
        activation = from.activation();
        dropout = from.dropout();
        attentionDropout = from.attentionDropout();
        activationDropout = from.activationDropout();
        padding = from.padding();
        experts = from.experts();
        expertEvery = from.expertEvery();
        expertFfn = from.expertFfn();
        sharedExperts = from.sharedExperts();
        denseLayers = from.denseLayers();
        norm = from.norm();
        rope = from.rope();
        attention = from.attention();
        feedForward = from.feedForward();
        shared = from.shared();
        multipliers = from.multipliers();
    }

    public ModelConfigBuilder layers(int value) {
        layers = value;
        return this;
    }

    public ModelConfigBuilder width(int value) {
        width = value;
        return this;
    }

    public ModelConfigBuilder heads(int value) {
        heads = value;
        return this;
    }

    public ModelConfigBuilder ffn(int value) {
        ffn = value;
        return this;
    }

    public ModelConfigBuilder vocabulary(int value) {
        vocabulary = value;
        return this;
    }

    public ModelConfigBuilder context(int value) {
        context = value;
        return this;
    }

    public ModelConfigBuilder positions(Positions value) {
        positions = value;
        return this;
    }

    public ModelConfigBuilder tied(boolean value) {
        tied = value;
        return this;
    }

    public ModelConfigBuilder activation(Activation value) {
        activation = value;
        return this;
    }

    public ModelConfigBuilder dropout(double value) {
        dropout = value;
        return this;
    }

    public ModelConfigBuilder attentionDropout(double value) {
        attentionDropout = value;
        return this;
    }

    public ModelConfigBuilder activationDropout(double value) {
        activationDropout = value;
        return this;
    }

    public ModelConfigBuilder padding(int value) {
        padding = value;
        return this;
    }

    public ModelConfigBuilder experts(int value) {
        experts = value;
        return this;
    }

    public ModelConfigBuilder expertEvery(int value) {
        expertEvery = value;
        return this;
    }

    public ModelConfigBuilder expertFfn(int value) {
        expertFfn = value;
        return this;
    }

    public ModelConfigBuilder sharedExperts(int value) {
        sharedExperts = value;
        return this;
    }

    public ModelConfigBuilder denseLayers(List<Integer> value) {
        denseLayers = value;
        return this;
    }

    public ModelConfigBuilder norm(NormConfig value) {
        norm = value;
        return this;
    }

    public ModelConfigBuilder rope(RopeConfig value) {
        rope = value;
        return this;
    }

    public ModelConfigBuilder attention(AttentionConfig value) {
        attention = value;
        return this;
    }

    public ModelConfigBuilder feedForward(FeedForwardConfig value) {
        feedForward = value;
        return this;
    }

    public ModelConfigBuilder shared(SharedExpertConfig value) {
        shared = value;
        return this;
    }

    public ModelConfigBuilder multipliers(MultiplierConfig value) {
        multipliers = value;
        return this;
    }

    /**
     * The model.
     *
     * @throws ModelException if the values contradict each other
     */
    public ModelConfig build() {
        return new ModelConfig(
                layers,
                width,
                heads,
                ffn,
                vocabulary,
                context,
                positions,
                tied,
                activation,
                dropout,
                attentionDropout,
                activationDropout,
                padding,
                experts,
                expertEvery,
                expertFfn,
                sharedExperts,
                denseLayers,
                norm,
                rope,
                attention,
                feedForward,
                shared,
                multipliers);
    }
}
