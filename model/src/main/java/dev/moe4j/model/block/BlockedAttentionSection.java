package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Saved;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * {@link AttentionSection} with a hand-written backward pass, on {@link AttentionBlocks}. Used on CPUs, where
 * libtorch's fused kernel is slow in bfloat16, and in float32 without AVX-512. If lean, it saves the results of its
 * products but no attention weights; backward recomputes the norm and each block's weights.
 *
 * <p>Shapes: T tokens, D model, B sequences, H heads, G = B · H, S length, C model / heads, N queries of a block, E
 * keys up to its end.
 */
public final class BlockedAttentionSection implements Section.Written {

    /** The index of the first block's weights among the saved tensors. */
    private static final int FIRST_WEIGHTS = 6;

    private final String name;
    private final AttentionSection.Weights weights;
    private final int heads;
    private final AttentionBlocks blocks;
    private final long sequences;
    private final Dropout outputDropout;
    private final boolean lean;

    /**
     * @param lean whether only products' results are saved
     */
    public BlockedAttentionSection(
            String name,
            AttentionSection.Weights weights,
            int heads,
            AttentionMask mask,
            long sequences,
            Dropout outputDropout,
            boolean lean) {
        this.name = name;
        this.weights = weights;
        this.heads = heads;
        blocks = new AttentionBlocks(mask, sequences, heads);
        this.sequences = sequences;
        this.outputDropout = outputDropout;
        this.lean = lean;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<Parameter> parameters() {
        return weights.all();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor x_TD = inputs[0];
        Tensor[] norm = norm(x_TD);
        Tensor qkv_3GSC = splitHeads(
                Functions.linear(
                        norm[0], weights.qkvWeight().tensor(), weights.qkvBias().tensor()),
                3);
        Tensor a_GSC = qkv_3GSC.select(0, 0).emptyLike();
        List<Tensor> weights_GNE = blocks.forward(qkv_3GSC, a_GSC, !lean && saved.recording());

        Tensor a_TD = joinHeads(a_GSC.unsqueeze(0));
        Tensor out_TD = Functions.linear(
                a_TD, weights.outWeight().tensor(), weights.outBias().tensor());
        Tensor mask_TD = outputDropout.mask(out_TD);
        Dropout.multiply(out_TD, mask_TD);
        saved.save(qkv_3GSC, a_TD);
        if (!lean) {
            saved.save(mask_TD);
            saved.save(norm);
            saved.save(weights_GNE.toArray(Tensor[]::new));
        }
        return new Tensor[] {out_TD.addInPlace(x_TD)};
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[1];
        }
        Tensor x_TD = saved.input(0);
        Tensor qkv_3GSC = saved.get(0);
        Tensor a_TD = saved.get(1);
        Tensor mask_TD = lean ? outputDropout.mask(x_TD) : saved.find(2);
        Tensor out_TD = mask_TD == null ? gradient_TD : gradient_TD.mul(mask_TD);
        weights.outWeight().addGradientProduct(out_TD.t(), a_TD);
        weights.outBias().addGradient(out_TD.sum(0));

        Tensor gradient_3GSC = qkv_3GSC.emptyLike();
        Tensor a_GSC =
                splitHeads(out_TD.matmul(weights.outWeight().tensor()), 1).select(0, 0);
        blocks.backward(qkv_3GSC, lean ? List.of() : savedWeights(saved, a_GSC.size(1)), a_GSC, gradient_3GSC);

        Tensor qkv_TE = joinHeads(gradient_3GSC);
        Tensor[] norm = lean ? norm(x_TD) : new Tensor[] {saved.get(3), saved.get(4), saved.get(5)};
        weights.qkvWeight().addGradientProduct(qkv_TE.t(), norm[0]);
        weights.qkvBias().addGradient(qkv_TE.sum(0));
        Tensor[] normGradients = Functions.layerNormBackward(
                qkv_TE.matmul(weights.qkvWeight().tensor()),
                x_TD,
                norm[1],
                norm[2],
                weights.normWeight().tensor(),
                weights.normBias().tensor());
        weights.normWeight().addGradient(normGradients[1]);
        weights.normBias().addGradient(normGradients[2]);
        return new @Nullable Tensor[] {normGradients[0].addInPlace(gradient_TD)};
    }

    private static List<Tensor> savedWeights(Saved saved, long length) {
        return IntStream.range(FIRST_WEIGHTS, FIRST_WEIGHTS + AttentionBlocks.count(length))
                .mapToObj(saved::get)
                .toList();
    }

    /** The normalised input, and the statistics of the norm. */
    private Tensor[] norm(Tensor x_TD) {
        return Functions.layerNormWithStatistics(
                x_TD, weights.normWeight().tensor(), weights.normBias().tensor(), NormSection.EPSILON);
    }

    /** [tokens, parts · model] as [parts, sequences · heads, length, model / heads]. */
    private Tensor splitHeads(Tensor x, int parts) {
        long length = x.size(0) / sequences;
        long head = x.size(1) / parts / heads;
        return x.view(sequences, length, parts, heads, head)
                .permute(2, 0, 3, 1, 4)
                .reshape(parts, sequences * heads, length, head);
    }

    /** The inverse of {@link #splitHeads}. */
    private Tensor joinHeads(Tensor x) {
        long parts = x.size(0);
        long length = x.size(2);
        long head = x.size(3);
        return x.view(parts, sequences, heads, length, head)
                .permute(1, 3, 0, 2, 4)
                .reshape(sequences * length, parts * heads * head);
    }
}
