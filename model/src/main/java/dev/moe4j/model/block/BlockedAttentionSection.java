package dev.moe4j.model.block;

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
 * products but no attention weights; backward recomputes the norms and each block's weights.
 *
 * <p>Shapes: T tokens, D model, B sequences, H query heads, K key heads, J heads, S length, C head width, E = (H + 2K) ·
 * C, N queries of a block.
 */
public final class BlockedAttentionSection implements Section.Written {

    private final String name;
    private final Attention attention;
    private final AttentionBlocks blocks;
    private final @Nullable Rotation rotation;
    private final long sequences;
    private final Dropout outputDropout;
    private final boolean lean;

    /**
     * The saved tensors, in order.
     *
     * @param projected queries, keys and values before they are normalised; null if they are not
     */
    private record Kept(
            AttentionBlocks.Heads heads,
            Tensor a_TE,
            @Nullable Tensor projected,
            @Nullable Tensor mask_TD,
            Norm.Normed normed,
            List<Tensor> weights_GME) {}

    /**
     * @param rotation the rotation of the tokens' queries and keys; null without rotary positions
     * @param lean whether only products' results are saved
     */
    public BlockedAttentionSection(
            String name,
            Attention attention,
            AttentionMask mask,
            @Nullable Rotation rotation,
            long sequences,
            Dropout outputDropout,
            boolean lean) {
        this.name = name;
        this.attention = attention;
        this.rotation = rotation;
        blocks = new AttentionBlocks(
                mask, sequences, attention.kvHeads(), attention.heads() / attention.kvHeads(), attention.scale());
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
        return attention.parameters();
    }

    @Override
    public Tensor[] forward(Saved saved, Tensor... inputs) {
        Tensor x_TD = inputs[0];
        Norm.Normed normed = attention.norm().forwardWithStatistics(x_TD);
        Tensor qkv_TE = attention.qkv().forward(normed.y_ND());
        AttentionBlocks.Heads heads = prepare(qkv_TE);
        Tensor a_QSC = heads.q_QSC().emptyLike();
        List<Tensor> weights_GME = blocks.forward(heads, a_QSC, !lean && saved.recording());

        Tensor a_TE = joinHeads(a_QSC);
        Tensor out_TD = attention.out().forward(a_TE);
        if (attention.residual() != 1) {
            out_TD.mulInPlace(attention.residual());
        }
        Tensor mask_TD = outputDropout.mask(out_TD);
        Dropout.multiply(out_TD, mask_TD);
        save(saved, new Kept(heads, a_TE, attention.queryNorm() == null ? null : qkv_TE, mask_TD, normed, weights_GME));
        return new Tensor[] {out_TD.addInPlace(x_TD)};
    }

    private void save(Saved saved, Kept kept) {
        saved.save(kept.heads().q_QSC(), kept.heads().k_GSC(), kept.heads().v_GSC(), kept.a_TE(), kept.projected());
        if (!lean) {
            saved.save(kept.mask_TD(), kept.normed().y_ND());
            saved.save(kept.normed().statistics());
            saved.save(kept.weights_GME().toArray(Tensor[]::new));
        }
    }

    private Kept restore(Saved saved) {
        AttentionBlocks.Heads heads = new AttentionBlocks.Heads(saved.get(0), saved.get(1), saved.get(2));
        if (lean) {
            Tensor x_TD = saved.input(0);
            return new Kept(
                    heads,
                    saved.get(3),
                    saved.find(4),
                    outputDropout.mask(x_TD),
                    attention.norm().forwardWithStatistics(x_TD),
                    List.of());
        }
        int statistics = attention.norm().statistics();
        int first = 7 + statistics;
        return new Kept(
                heads,
                saved.get(3),
                saved.find(4),
                saved.find(5),
                new Norm.Normed(
                        saved.get(6),
                        IntStream.range(7, first).mapToObj(saved::get).toArray(Tensor[]::new)),
                IntStream.range(
                                first,
                                first + AttentionBlocks.count(heads.q_QSC().size(1)))
                        .mapToObj(saved::get)
                        .toList());
    }

    @Override
    public @Nullable Tensor[] backward(Saved saved, @Nullable Tensor... gradients) {
        Tensor gradient_TD = gradients[0];
        if (gradient_TD == null) {
            return new @Nullable Tensor[1];
        }
        Kept kept = restore(saved);
        Tensor dropped_TD = kept.mask_TD() == null ? gradient_TD : gradient_TD.mul(kept.mask_TD());
        Tensor out_TD = attention.residual() == 1 ? dropped_TD : dropped_TD.mul(attention.residual());
        attention.out().addGradients(out_TD, kept.a_TE());

        AttentionBlocks.Heads headGradients = kept.heads().emptyLike();
        Tensor a_QSC = splitHeads(attention.out().backward(out_TD));
        blocks.backward(kept.heads(), kept.weights_GME(), a_QSC, headGradients);

        Tensor qkv_TE = prepareBackward(headGradients, kept.projected());
        attention.qkv().addGradients(qkv_TE, kept.normed().y_ND());
        Tensor normGradient_TD = attention
                .norm()
                .backward(
                        attention.qkv().backward(qkv_TE),
                        saved.input(0),
                        kept.normed().statistics());
        return new @Nullable Tensor[] {normGradient_TD.addInPlace(gradient_TD)};
    }

    /** Normalises and rotates queries and keys, and splits heads. Without norms, the projections are overwritten. */
    private AttentionBlocks.Heads prepare(Tensor qkv_TE) {
        Tensor q_TE = normed(attention.queryColumns(qkv_TE), attention.queryNorm());
        Tensor k_TE = normed(attention.keyColumns(qkv_TE), attention.keyNorm());
        rotate(q_TE, attention.heads(), 1);
        rotate(k_TE, attention.kvHeads(), 1);
        return new AttentionBlocks.Heads(
                splitHeads(q_TE), splitHeads(k_TE), splitHeads(attention.valueColumns(qkv_TE)));
    }

    private Tensor normed(Tensor columns_TE, @Nullable Norm norm) {
        return norm == null
                ? columns_TE
                : norm.forwardWithStatistics(attention.normRows(columns_TE))
                        .y_ND()
                        .view(columns_TE.size(0), columns_TE.size(1));
    }

    private void rotate(Tensor columns_TE, int heads, int direction) {
        if (rotation != null) {
            rotation.applyInPlace(columns_TE.view(-1, heads, attention.headWidth()), direction);
        }
    }

    /** The gradient of the projections, from the gradients of queries, keys and values. */
    private Tensor prepareBackward(AttentionBlocks.Heads gradients, @Nullable Tensor projected_TE) {
        long tokens = gradients.q_QSC().elements() / attention.queryWidth();
        Tensor gradient_TE = Tensor.empty(
                gradients.q_QSC().dtype(),
                gradients.q_QSC().device(),
                tokens,
                (long) attention.queryWidth() + 2L * attention.keyWidth());
        Tensor q_TE = joinHeads(gradients.q_QSC(), attention.queryColumns(gradient_TE));
        Tensor k_TE = joinHeads(gradients.k_GSC(), attention.keyColumns(gradient_TE));
        joinHeads(gradients.v_GSC(), attention.valueColumns(gradient_TE));
        rotate(q_TE, attention.heads(), -1);
        rotate(k_TE, attention.kvHeads(), -1);
        if (projected_TE != null) {
            normBackward(q_TE, attention.queryColumns(projected_TE), attention.queryNorm());
            normBackward(k_TE, attention.keyColumns(projected_TE), attention.keyNorm());
        }
        return gradient_TE;
    }

    /** Replaces the gradient of normalised columns by that of the columns. */
    private void normBackward(Tensor gradient_TE, Tensor columns_TE, @Nullable Norm norm) {
        if (norm != null) {
            Tensor rows_NC = attention.normRows(columns_TE);
            Tensor[] statistics = norm.forwardWithStatistics(rows_NC).statistics();
            Tensor result_NC = norm.backward(attention.normRows(gradient_TE), rows_NC, statistics);
            gradient_TE.copy(result_NC.view(gradient_TE.size(0), gradient_TE.size(1)));
        }
    }

    /** [tokens, heads · head width] as [sequences · heads, length, head width]. */
    private Tensor splitHeads(Tensor x_TE) {
        long length = x_TE.size(0) / sequences;
        long heads = x_TE.size(1) / attention.headWidth();
        return x_TE.view(sequences, length, heads, attention.headWidth())
                .permute(0, 2, 1, 3)
                .reshape(sequences * heads, length, attention.headWidth());
    }

    /** The inverse of {@link #splitHeads}. */
    private Tensor joinHeads(Tensor x_JSC) {
        long heads = x_JSC.size(0) / sequences;
        return joined(x_JSC).reshape(sequences * x_JSC.size(1), heads * x_JSC.size(2));
    }

    /** Writes the inverse of {@link #splitHeads} to {@code columns_TE}, and returns it. */
    private Tensor joinHeads(Tensor x_JSC, Tensor columns_TE) {
        long heads = x_JSC.size(0) / sequences;
        columns_TE.view(sequences, x_JSC.size(1), heads, x_JSC.size(2)).copy(joined(x_JSC));
        return columns_TE;
    }

    private Tensor joined(Tensor x_JSC) {
        return x_JSC.view(sequences, x_JSC.size(0) / sequences, x_JSC.size(1), x_JSC.size(2))
                .permute(0, 2, 1, 3);
    }
}
