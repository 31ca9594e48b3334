package dev.moe4j.model.decode;

import dev.moe4j.model.block.AttentionBlocks;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.NormSection;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;

/**
 * Attention with a KV cache: {@link AttentionSection} for tokens [tokens, model] that continue cached sequences. Writes
 * the tokens' keys and values to the cache and attends to all cached ones. Has no backward pass.
 *
 * <p>Shapes: T tokens, D model, B sequences, H heads, G = B · H, N queries of a sequence, C model / heads, S the
 * cache's capacity, E keys of a block.
 */
record CachedAttentionSection(
        String name,
        AttentionSection.Weights weights,
        int heads,
        KeyValueCache cache,
        int layer,
        KeyValueCache.Places places)
        implements Section.Derived {

    @Override
    public List<Parameter> parameters() {
        return weights.all();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor x_TD = inputs[0];
        long head = x_TD.size(1) / heads;
        Tensor h_TD = Functions.layerNorm(
                x_TD, weights.normWeight().tensor(), weights.normBias().tensor(), NormSection.EPSILON);
        Tensor qkv_T3HC = Functions.linear(
                        h_TD, weights.qkvWeight().tensor(), weights.qkvBias().tensor())
                .view(-1, 3, heads, head);
        write(qkv_T3HC.select(1, 1), cache.keys(layer));
        write(qkv_T3HC.select(1, 2), cache.values(layer));
        Tensor a_GNC = attend(queries(qkv_T3HC.select(1, 0)));
        Tensor out_TD = Functions.linear(
                tokens(a_GNC), weights.outWeight().tensor(), weights.outBias().tensor());
        return new Tensor[] {out_TD.addInPlace(x_TD)};
    }

    private void write(Tensor rows_THC, Tensor cache_GSC) {
        long head = cache_GSC.size(2);
        cache_GSC.view(-1, head).indexCopyInPlace(0, places.slot_I(), rows_THC.reshape(-1, head));
    }

    /** Attention of each query to all keys it may see, in blocks of {@link AttentionBlocks#QUERIES} queries. */
    private Tensor attend(Tensor q_GNC) {
        Tensor a_GNC = q_GNC.emptyLike();
        Tensor k_GSC = ofSequences(cache.keys(layer));
        Tensor v_GSC = ofSequences(cache.values(layer));
        for (long start = 0; start < places.queries(); start += AttentionBlocks.QUERIES) {
            long n = Math.min(AttentionBlocks.QUERIES, places.queries() - start);
            long end = cache.span((int) (places.start() + start + n));
            Tensor scores_GNE = AttentionBlocks.products(q_GNC.narrow(1, start, n), k_GSC.narrow(1, 0, end));
            scores_GNE
                    .view(places.sequences(), heads, n, end)
                    .addInPlace(places.mask_B1NE().narrow(2, start, n).narrow(3, 0, end));
            Tensor p_GNE = Functions.softmax(scores_GNE, scores_GNE);
            a_GNC.narrow(1, start, n).setToBatchProduct(p_GNE, v_GSC.narrow(1, 0, end));
        }
        return a_GNC;
    }

    private Tensor ofSequences(Tensor cache_GSC) {
        return cache_GSC.narrow(0, (long) places.first() * heads, (long) places.sequences() * heads);
    }

    /**
     * Arranges tokens {@code [T, H, C]} as queries of their sequences {@code [G, N, C]}; places without a token hold
     * any token.
     */
    private Tensor queries(Tensor q_THC) {
        Tensor placed = places.grid() ? q_THC : q_THC.indexSelect(0, places.tokenOf_P());
        return placed.view(places.sequences(), places.queries(), heads, -1)
                .transpose(1, 2)
                .reshape((long) places.sequences() * heads, places.queries(), -1);
    }

    /** The inverse of {@link #queries}, with heads joined: {@code [T, D]}. */
    private Tensor tokens(Tensor a_GNC) {
        Tensor a_PD = a_GNC.view(places.sequences(), heads, places.queries(), -1)
                .transpose(1, 2)
                .reshape((long) places.sequences() * places.queries(), -1);
        return places.grid() ? a_PD : a_PD.indexSelect(0, places.placeOf_T());
    }
}
