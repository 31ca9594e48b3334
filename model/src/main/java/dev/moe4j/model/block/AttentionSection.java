package dev.moe4j.model.block;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Causal multi-head self-attention (Vaswani et al. 2017) with its norm: x + dropout(attention(norm(x))), on a pre-norm
 * residual stream [tokens, model]. libtorch derives the backward pass.
 *
 * @param rotation the rotation of the tokens' queries and keys; null without rotary positions
 * @param fused whether libtorch's fused kernel computes attention; it keeps no attention weights
 * @param adding whether the residual x is added here; otherwise the next section adds it
 */
public record AttentionSection(
        String name,
        Attention attention,
        AttentionMask mask,
        @Nullable Rotation rotation,
        long sequences,
        boolean fused,
        Dropout weightDropout,
        Dropout outputDropout,
        boolean adding)
        implements Section.Autograd {
    /**
     * The longest sequences for which blocked attention keeps its weights; for longer ones, backward recomputes them.
     */
    public static final int LONGEST_KEPT = 512;

    /**
     * The longest sequences for which, on a CPU, separate product, mask and softmax are faster than libtorch's fused
     * kernel.
     */
    public static final long LONGEST_PLAIN = 256;

    /** The same section without the residual addition, which the next section must do. */
    public AttentionSection withoutResidual() {
        return new AttentionSection(
                name, attention, mask, rotation, sequences, fused, weightDropout, outputDropout, false);
    }

    @Override
    public List<Parameter> parameters() {
        return attention.parameters();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor x_TD = inputs[0];
        Tensor[] qkv = attention.project(attention.norm().forward(x_TD), rotation);
        Tensor q_BHSC = perSequence(qkv[0]).mul(attention.scale());
        Tensor k_BHSC = repeated(perSequence(qkv[1]));
        Tensor v_BHSC = repeated(perSequence(qkv[2]));
        Tensor a_BHSC = attend(q_BHSC, k_BHSC, v_BHSC);
        Tensor a_TE = a_BHSC.transpose(1, 2).reshape(x_TD.size(0), attention.queryWidth());
        Tensor out_TD = attention.out().forward(a_TE);
        Tensor scaled_TD = attention.residual() == 1 ? out_TD : out_TD.mul(attention.residual());
        Tensor dropped_TD = outputDropout.apply(scaled_TD);
        return new Tensor[] {adding ? x_TD.add(dropped_TD) : dropped_TD};
    }

    /** {@code [tokens, heads, head width]} as {@code [sequences, heads, length, head width]}. */
    private Tensor perSequence(Tensor x_TJC) {
        return x_TJC.view(sequences, x_TJC.size(0) / sequences, x_TJC.size(1), x_TJC.size(2))
                .transpose(1, 2);
    }

    /** Repeats each key or value head for its query heads. */
    private Tensor repeated(Tensor x_BKSC) {
        long kvHeads = x_BKSC.size(1);
        long each = attention.heads() / kvHeads;
        return each == 1
                ? x_BKSC
                : x_BKSC.unsqueeze(2)
                        .expand(sequences, kvHeads, each, x_BKSC.size(2), x_BKSC.size(3))
                        .reshape(sequences, kvHeads * each, x_BKSC.size(2), x_BKSC.size(3));
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
