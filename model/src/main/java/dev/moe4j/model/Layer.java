package dev.moe4j.model;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.AddNormSection;
import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.AttentionMask;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.BlockedAttentionSection;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.FeedForward;
import dev.moe4j.model.block.FeedForwardSection;
import dev.moe4j.model.block.LayerNorm;
import dev.moe4j.model.block.Norm;
import dev.moe4j.model.block.NormSection;
import dev.moe4j.model.block.Rotation;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameters;
import org.jspecify.annotations.Nullable;

/** One Transformer block: attention with its norm, then a norm and a feed-forward network or a mixture. */
final class Layer {

    private final ModelConfig config;
    private final Execution execution;
    private final Device device;
    private final String name;
    private final Attention attention;
    private final Norm norm;
    /** The feed-forward network; null in a MoE layer. */
    private final @Nullable FeedForward dense;
    /** The mixture; null in a dense layer. */
    private final @Nullable MixtureLayer mixture;

    /**
     * @param index the layer's index, from 0
     * @param mixture the mixture of a MoE layer; null in a dense layer
     */
    Layer(int index, ModelConfig config, Parameters parameters, Execution execution, @Nullable MixtureLayer mixture) {
        String prefix = ModelParameters.layerPrefix(index);
        this.config = config;
        this.execution = execution;
        this.device = parameters.device();
        this.name = "layers." + index + ".";
        this.attention = Attention.of(config, prefix, parameters);
        this.norm = Norm.of(config.norm(), prefix + "final_layer_norm", parameters);
        this.dense = mixture == null ? FeedForward.dense(config, prefix, parameters) : null;
        this.mixture = mixture;
    }

    Attention attention() {
        return attention;
    }

    /**
     * The section that computes attention over complete sequences.
     *
     * @param rotation the rotation of the batch's tokens; null without rotary positions
     */
    Section attention(AttentionMask mask, @Nullable Rotation rotation, TokenBatch batch, PassContext pass) {
        Dropout weightDropout = new Dropout(config.attentionDropout(), pass, name + "attention_weights");
        Dropout outputDropout = new Dropout(config.dropout(), pass, name + "attention");
        // The fused kernels emulate a GPU. When a test runs them on the CPU, attention runs as on a GPU too.
        boolean blocked =
                !execution.reference() && !device.isCuda() && execution.kernels() == null && !weightDropout.active();
        boolean lean = execution.recompute().lean() || batch.length() > AttentionSection.LONGEST_KEPT;
        return blocked
                ? new BlockedAttentionSection(
                        name + "attention", attention, mask, rotation, batch.sequences(), outputDropout, lean)
                : new AttentionSection(
                        name + "attention",
                        attention,
                        mask,
                        rotation,
                        batch.sequences(),
                        fused(batch, weightDropout),
                        weightDropout,
                        outputDropout,
                        true);
    }

    private boolean fused(TokenBatch batch, Dropout weightDropout) {
        return !weightDropout.active() && (device.isCuda() || batch.length() > AttentionSection.LONGEST_PLAIN);
    }

    /**
     * Runs the block.
     *
     * @param input the residual stream, {@code [tokens, model]}
     * @param attending the section that computes attention
     * @param outputs receives balance losses and routing figures
     */
    Value run(
            Tape tape,
            Value input,
            Section attending,
            TokenBatch batch,
            RoutingConfig routing,
            PassContext pass,
            ForwardOutputs outputs) {
        Value[] attended = attend(tape, attending, input);
        Value x = attended[0];
        Value h = attended[1];
        Value output = mixture != null
                ? mixture.run(tape, x, h, batch, routing, pass, outputs)
                : tape.run(execution.recompute().costly(), feedForward(pass), x, h);
        tape.drop(x, h);
        return output;
    }

    private FeedForwardSection feedForward(PassContext pass) {
        if (dense == null) {
            throw new IllegalStateException(name + "ffn: a MoE layer has no dense network");
        }
        return new FeedForwardSection(
                name + "ffn",
                dense,
                new Dropout(config.activationDropout(), pass, name + "ffn_activation"),
                new Dropout(config.dropout(), pass, name + "ffn"),
                execution.recompute().lean());
    }

    /**
     * Runs attention and the norm after it. With kernels, the residual addition and a layer norm are fused.
     *
     * @return the residual stream after attention, and its normalised form
     */
    private Value[] attend(Tape tape, Section attending, Value input) {
        Recompute recompute = execution.recompute();
        Kernels kernels = execution.kernels();
        if (kernels != null
                && attending instanceof AttentionSection whole
                && norm instanceof LayerNorm layerNorm
                && Kernels.takesNorm(layerNorm.weight().tensor().dtype(), config.width())) {
            Value branch = tape.run(retention(attending), whole.withoutResidual(), input);
            boolean inPlace = recompute == Recompute.NONE;
            Value[] both = tape.runAll(
                    recompute.cheap(), new AddNormSection(name + "norm", layerNorm, inPlace, kernels), input, branch);
            tape.drop(branch);
            return both;
        }
        Value x = tape.run(retention(attending), attending, input);
        return new Value[] {x, tape.run(recompute.cheap(), new NormSection(name + "norm", norm), x)};
    }

    /**
     * Unfused attention keeps its weights in libtorch's graph. To free them, the complete section must be recomputed.
     */
    private Tape.Retention retention(Section attending) {
        return attending instanceof AttentionSection plain && !plain.fused()
                ? execution.recompute().cheap()
                : execution.recompute().costly();
    }
}
