package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * Causal multi-head self-attention (Vaswani et al. 2017) with its norm: x + dropout(attention(layer norm(x))), on a
 * pre-norm residual stream [tokens, model]. libtorch derives the backward pass.
 *
 * @param fused whether libtorch's fused kernel computes attention; it keeps no attention weights
 * @param adding whether the residual x is added here; otherwise the next section adds it
 */
public record AttentionSection(
        String name,
        Weights weights,
        int heads,
        AttentionMask mask,
        long sequences,
        boolean fused,
        Dropout weightDropout,
        Dropout outputDropout,
        boolean adding)
        implements Section.Derived {
    /**
     * The longest sequences for which blocked attention keeps its weights; for longer ones, backward recomputes them.
     */
    public static final int LONGEST_KEPT = 512;

    /**
     * The longest sequences for which, on a CPU, separate product, mask and softmax are faster than libtorch's fused
     * kernel.
     */
    public static final long LONGEST_PLAIN = 256;

    /** The parameters of one layer's attention; {@code qkv} stacks the three projections along its first dimension. */
    public record Weights(
            Parameter normWeight,
            Parameter normBias,
            Parameter qkvWeight,
            Parameter qkvBias,
            Parameter outWeight,
            Parameter outBias) {

        public List<Parameter> all() {
            return List.of(normWeight, normBias, qkvWeight, qkvBias, outWeight, outBias);
        }
    }

    /** The same section without the residual addition, which the next section must do. */
    public AttentionSection withoutResidual() {
        return new AttentionSection(name, weights, heads, mask, sequences, fused, weightDropout, outputDropout, false);
    }

    @Override
    public List<Parameter> parameters() {
        return weights.all();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor x_TD = inputs[0];
        long model = x_TD.size(1);
        long length = x_TD.size(0) / sequences;
        long head = model / heads;
        Tensor h_TD = Functions.layerNorm(
                x_TD, weights.normWeight().tensor(), weights.normBias().tensor(), NormSection.EPSILON);
        Tensor qkv = Functions.linear(
                        h_TD, weights.qkvWeight().tensor(), weights.qkvBias().tensor())
                .view(sequences, length, 3, heads, head)
                .permute(2, 0, 3, 1, 4);
        Tensor q_BHSC = qkv.select(0, 0).mul(1 / Math.sqrt((double) head));
        Tensor k_BHSC = qkv.select(0, 1);
        Tensor v_BHSC = qkv.select(0, 2);
        Tensor a_BHSC = attend(q_BHSC, k_BHSC, v_BHSC);
        Tensor a_TD = a_BHSC.transpose(1, 2).reshape(sequences * length, model);
        Tensor out_TD = Functions.linear(
                a_TD, weights.outWeight().tensor(), weights.outBias().tensor());
        Tensor dropped_TD = outputDropout.apply(out_TD);
        return new Tensor[] {adding ? x_TD.add(dropped_TD) : dropped_TD};
    }

    private Tensor attend(Tensor q_BHSC, Tensor k_BHSC, Tensor v_BHSC) {
        DType type = q_BHSC.dtype();
        Device device = q_BHSC.device();
        if (fused) {
            // On a CPU, the fused kernel is extremely slow in bfloat16.
            DType wide = device.isCuda() || type == DType.FLOAT64 ? type : DType.FLOAT32;
            Tensor given = mask instanceof AttentionMask.PerSequence(Tensor added_B1SS) ? added_B1SS.to(wide) : null;
            return Functions.causalAttention(q_BHSC.to(wide), k_BHSC.to(wide), v_BHSC.to(wide), given)
                    .to(type);
        }
        Tensor added = switch (mask) {
            case AttentionMask.Causal _ -> Functions.causalMask(q_BHSC.size(2), type, device);
            case AttentionMask.PerSequence(Tensor added_B1SS) -> added_B1SS;
        };
        Tensor scores_BHSS = q_BHSC.matmul(k_BHSC.transpose(2, 3)).add(added);
        return weightDropout.apply(scores_BHSS.softmax(-1)).matmul(v_BHSC);
    }
}
