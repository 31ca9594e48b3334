package dev.moe4j.model;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.AddNormSection;
import dev.moe4j.model.block.AttentionMask;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.BlockedAttentionSection;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.FeedForwardSection;
import dev.moe4j.model.block.NormSection;
import dev.moe4j.model.expert.ExpertNetworks;
import dev.moe4j.model.expert.ExpertProducts;
import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameters;

/** Creates the sections of a layer with the layer's parameters. */
final class LayerSections {

    private final ModelConfig config;
    private final Parameters parameters;
    private final Execution execution;

    LayerSections(ModelConfig config, Parameters parameters, Execution execution) {
        this.config = config;
        this.parameters = parameters;
        this.execution = execution;
    }

    /** The prefix of a layer's parameter names. */
    static String prefix(int layer) {
        return "model.layers." + layer + ".";
    }

    NormSection norm(String name, String parameter) {
        return new NormSection(name, parameters.get(parameter + ".weight"), parameters.get(parameter + ".bias"));
    }

    FeedForwardSection feedForward(int layer, String site, String prefix, PassContext pass) {
        return new FeedForwardSection(
                "layers." + layer + "." + site,
                new FeedForwardSection.Weights(
                        parameters.get(prefix + "fc1.weight"),
                        parameters.get(prefix + "fc1.bias"),
                        parameters.get(prefix + "fc2.weight"),
                        parameters.get(prefix + "fc2.bias")),
                config.activation(),
                activationDropout(layer, site, config.activationDropout(), pass),
                dropout(layer, site, pass),
                execution.recompute().lean());
    }

    AttentionSection.Weights attentionWeights(int layer) {
        String prefix = prefix(layer);
        return new AttentionSection.Weights(
                parameters.get(prefix + "self_attn_layer_norm.weight"),
                parameters.get(prefix + "self_attn_layer_norm.bias"),
                parameters.get(prefix + "self_attn.qkv_proj.weight"),
                parameters.get(prefix + "self_attn.qkv_proj.bias"),
                parameters.get(prefix + "self_attn.out_proj.weight"),
                parameters.get(prefix + "self_attn.out_proj.bias"));
    }

    Section attention(int layer, AttentionMask mask, TokenBatch batch, PassContext pass) {
        AttentionSection.Weights weights = attentionWeights(layer);
        String name = "layers." + layer + ".attention";
        Dropout weightDropout = new Dropout(config.attentionDropout(), pass, "layers." + layer + ".attention_weights");
        Dropout outputDropout = dropout(layer, "attention", pass);
        // The fused kernels emulate a GPU. When a test runs them on the CPU, attention runs as on a GPU too.
        boolean blocked = !execution.reference()
                && !parameters.device().isCuda()
                && execution.kernels() == null
                && !weightDropout.active();
        boolean lean = execution.recompute().lean() || batch.length() > AttentionSection.LONGEST_KEPT;
        return blocked
                ? new BlockedAttentionSection(
                        name, weights, config.heads(), mask, batch.sequences(), outputDropout, lean)
                : new AttentionSection(
                        name,
                        weights,
                        config.heads(),
                        mask,
                        batch.sequences(),
                        fused(batch, weightDropout),
                        weightDropout,
                        outputDropout,
                        true);
    }

    private boolean fused(TokenBatch batch, Dropout weightDropout) {
        return !weightDropout.active()
                && (parameters.device().isCuda() || batch.length() > AttentionSection.LONGEST_PLAIN);
    }

    /**
     * Runs a layer's attention and the norm after it. With kernels, the residual addition and the norm are fused.
     *
     * @return the residual stream after attention, and its normalised form
     */
    Value[] attend(Tape tape, int layer, Section attention, Value input) {
        String name = "layers." + layer + ".norm";
        String parameter = prefix(layer) + "final_layer_norm";
        NormSection norm = norm(name, parameter);
        Recompute recompute = execution.recompute();
        Kernels kernels = execution.kernels();
        if (kernels != null
                && attention instanceof AttentionSection whole
                && Kernels.takesNorm(norm.weight().tensor().dtype(), config.width())) {
            Value branch = tape.run(retention(attention), whole.withoutResidual(), input);
            boolean inPlace = recompute == Recompute.NONE;
            Value[] both = tape.runAll(
                    recompute.cheap(),
                    new AddNormSection(name, norm.weight(), norm.bias(), inPlace, kernels),
                    input,
                    branch);
            tape.drop(branch);
            return both;
        }
        Value x = tape.run(retention(attention), attention, input);
        return new Value[] {x, tape.run(recompute.cheap(), norm, x)};
    }

    /**
     * Unfused attention keeps its weights in libtorch's graph. To free them, the complete section must be recomputed.
     */
    private Tape.Retention retention(Section attention) {
        return attention instanceof AttentionSection plain && !plain.fused()
                ? execution.recompute().cheap()
                : execution.recompute().costly();
    }

    /** The experts on rows that the host assigned. */
    ExpertsSection experts(int layer, ExpertRows rows, RowChoices choices, Dropout dropout) {
        if (execution.reference()) {
            return experts(layer, new ExpertProducts.Loop(rows), choices, dropout);
        }
        return experts(layer, ExpertNetworks.of(expertWeights(layer), config.activation(), rows), choices, dropout);
    }

    /** The experts computed with the given products. */
    ExpertsSection experts(int layer, ExpertProducts products, RowChoices choices, Dropout dropout) {
        return experts(
                layer,
                new ExpertNetworks.ByProducts(expertWeights(layer), config.activation(), products),
                choices,
                dropout);
    }

    private ExpertsSection experts(int layer, ExpertNetworks networks, RowChoices choices, Dropout dropout) {
        return new ExpertsSection(
                "layers." + layer + ".experts",
                networks,
                dropout,
                choices,
                execution.recompute().lean());
    }

    private ExpertNetworks.Weights expertWeights(int layer) {
        String prefix = prefix(layer) + "moe.experts.";
        return new ExpertNetworks.Weights(
                parameters.get(prefix + "fc1.weight"),
                parameters.get(prefix + "fc1.bias"),
                parameters.get(prefix + "fc2.weight"),
                parameters.get(prefix + "fc2.bias"));
    }

    Dropout dropout(int layer, String site, PassContext pass) {
        return new Dropout(config.dropout(), pass, "layers." + layer + "." + site);
    }

    static Dropout activationDropout(int layer, String site, double probability, PassContext pass) {
        return new Dropout(probability, pass, "layers." + layer + "." + site + "_activation");
    }
}
