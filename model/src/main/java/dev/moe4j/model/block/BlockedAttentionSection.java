package dev.moe4j.model.block;

import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.SavedTensors;
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
 * <p>Shapes: T tokens, D model, B sequences, H query heads, K key heads, J heads, S length, C head width, E = (H + 2K) ·
 * C, N queries of a block.
 */
public final class BlockedAttentionSection implements Section.CustomBackward {

    private final String name;
    private final Attention attention;
    private final AttentionBlocks blocks;
    private final @Nullable Rotation rotation;
    private final long sequences;
    private final Dropout outputDropout;
    private final boolean lean;

    /**
     * What the norms of queries and keys keep.
     *
     * @param projected_TE queries, keys and values before the norms
     * @param query the statistics of the queries' norm
     * @param key the statistics of the keys' norm
     */
    private record KeptNorms(Tensor projected_TE, Tensor query, Tensor key) {}

    /**
     * The saved tensors, in order.
     *
     * @param norms null without norms of queries and keys
     */
    private record Kept(
            AttentionBlocks.Heads heads,
            Tensor a_TE,
            @Nullable KeptNorms norms,
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
    public Tensor[] forward(SavedTensors saved, Tensor... inputs) {
        Tensor x_TD = inputs[0];
        Norm.Normed normed = attention.norm().forwardWithStatistics(x_TD);
        Tensor qkv_TE = attention.qkv().forward(normed.y_ND());
        KeptNorms norms = null;
        Tensor q_TE = attention.queryColumns(qkv_TE);
        Tensor k_TE = attention.keyColumns(qkv_TE);
        if (attention.queryNorm() != null && attention.keyNorm() != null) {
            Norm.Normed q = attention.queryNorm().forwardWithStatistics(attention.normRows(q_TE));
            Norm.Normed k = attention.keyNorm().forwardWithStatistics(attention.normRows(k_TE));
            norms = new KeptNorms(qkv_TE, q.statistics()[0], k.statistics()[0]);
            q_TE = q.y_ND().view(q_TE.size(0), q_TE.size(1));
            k_TE = k.y_ND().view(k_TE.size(0), k_TE.size(1));
        }
        // Without norms, the rotation overwrites the projections, which nothing else reads.
        rotate(q_TE, attention.heads(), 1);
        rotate(k_TE, attention.kvHeads(), 1);
        AttentionBlocks.Heads heads = new AttentionBlocks.Heads(
                splitHeads(q_TE), splitHeads(k_TE), splitHeads(attention.valueColumns(qkv_TE)));
        Tensor a_QSC = heads.q_QSC().emptyLike();
        List<Tensor> weights_GME = blocks.forward(heads, a_QSC, !lean && saved.recording());

        Tensor a_TE = joinHeads(a_QSC);
        Tensor out_TD = attention.out().forward(a_TE);
        if (attention.residual() != 1) {
            out_TD.mulInPlace(attention.residual());
        }
        Tensor mask_TD = outputDropout.mask(out_TD);
        Dropout.multiply(out_TD, mask_TD);
        save(saved, new Kept(heads, a_TE, norms, mask_TD, normed, weights_GME));
        return new Tensor[] {out_TD.addInPlace(x_TD)};
    }

    private void save(SavedTensors saved, Kept kept) {
        saved.save(kept.heads().q_QSC(), kept.heads().k_GSC(), kept.heads().v_GSC(), kept.a_TE());
        KeptNorms norms = kept.norms();
        if (norms == null) {
            saved.save(null, null, null);
        } else {
            saved.save(norms.projected_TE(), norms.query(), norms.key());
        }
        if (!lean) {
            saved.save(kept.mask_TD(), kept.normed().y_ND());
            saved.save(kept.normed().statistics());
            saved.save(kept.weights_GME().toArray(Tensor[]::new));
        }
    }

    private Kept restore(SavedTensors saved) {
        AttentionBlocks.Heads heads = new AttentionBlocks.Heads(saved.get(0), saved.get(1), saved.get(2));
        KeptNorms norms = saved.find(4) == null ? null : new KeptNorms(saved.get(4), saved.get(5), saved.get(6));
        if (lean) {
            Tensor x_TD = saved.input(0);
            return new Kept(
                    heads,
                    saved.get(3),
                    norms,
                    outputDropout.mask(x_TD),
                    attention.norm().forwardWithStatistics(x_TD),
                    List.of());
        }
        int statistics = attention.norm().statistics();
        int first = 9 + statistics;
        return new Kept(
                heads,
                saved.get(3),
                norms,
                saved.find(7),
                new Norm.Normed(
                        saved.get(8),
                        IntStream.range(9, first).mapToObj(saved::get).toArray(Tensor[]::new)),
                IntStream.range(
                                first,
                                first + AttentionBlocks.count(heads.q_QSC().size(1)))
                        .mapToObj(saved::get)
                        .toList());
    }

    @Override
    public @Nullable Tensor[] backward(SavedTensors saved, @Nullable Tensor... gradients) {
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

        Tensor qkv_TE = prepareBackward(headGradients, kept.norms());
        attention.qkv().addGradients(qkv_TE, kept.normed().y_ND());
        Tensor normGradient_TD = attention
                .norm()
                .backward(
                        attention.qkv().backward(qkv_TE),
                        saved.input(0),
                        kept.normed().statistics());
        return new @Nullable Tensor[] {normGradient_TD.addInPlace(gradient_TD)};
    }

    private void rotate(Tensor columns_TE, int heads, int direction) {
        if (rotation != null) {
            rotation.applyInPlace(columns_TE.view(-1, heads, attention.headWidth()), direction);
        }
    }

    /** The gradient of the projections, from the gradients of queries, keys and values. */
    private Tensor prepareBackward(AttentionBlocks.Heads gradients, @Nullable KeptNorms norms) {
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
        if (norms != null) {
            normBackward(q_TE, attention.queryColumns(norms.projected_TE()), attention.queryNorm(), norms.query());
            normBackward(k_TE, attention.keyColumns(norms.projected_TE()), attention.keyNorm(), norms.key());
        }
        return gradient_TE;
    }

    /** Replaces the gradient of normalised columns by that of the columns. */
    private void normBackward(Tensor gradient_TE, Tensor columns_TE, @Nullable Norm norm, Tensor statistics) {
        if (norm != null) {
            Tensor result_NC =
                    norm.backward(attention.normRows(gradient_TE), attention.normRows(columns_TE), statistics);
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
