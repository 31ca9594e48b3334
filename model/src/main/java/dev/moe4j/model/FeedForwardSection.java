package dev.moe4j.model;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import java.util.List;

/**
 * residual + dropout(fc2(dropout(activation(fc1(h))))): the dense feed-forward network, also of shared experts. Inputs: the
 * residual stream [tokens, model] and its normalised form h [tokens, model].
 */
final class FeedForwardSection implements Section.Derived {

    private final String name;
    private final Weights weights;
    private final Activation activation;
    private final Dropout activationDropout;
    private final Dropout dropout;

    record Weights(Parameter fc1Weight, Parameter fc1Bias, Parameter fc2Weight, Parameter fc2Bias) {}

    FeedForwardSection(
            String name, Weights weights, Activation activation, Dropout activationDropout, Dropout dropout) {
        this.name = name;
        this.weights = weights;
        this.activation = activation;
        this.activationDropout = activationDropout;
        this.dropout = dropout;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(weights.fc1Weight(), weights.fc1Bias(), weights.fc2Weight(), weights.fc2Bias());
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor residual_TD = inputs[0];
        Tensor h_TD = inputs[1];
        Tensor inner_TF = activation.forward(Functions.linear(
                h_TD, weights.fc1Weight().tensor(), weights.fc1Bias().tensor()));
        Tensor out_TD = Functions.linear(
                activationDropout.apply(inner_TF),
                weights.fc2Weight().tensor(),
                weights.fc2Bias().tensor());
        return new Tensor[] {residual_TD.add(dropout.apply(out_TD))};
    }
}
