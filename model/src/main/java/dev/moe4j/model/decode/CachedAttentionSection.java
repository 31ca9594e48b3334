package dev.moe4j.model.decode;

import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.AttentionBlocks;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.Rotation;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Attention with a KV cache: {@link AttentionSection} for tokens [tokens, model] that continue cached sequences. Writes
 * the tokens' keys and values to the cache and attends to all cached ones. Has no backward pass.
 *
 * <p>Shapes: T tokens, D model, B sequences, K key heads, R query heads of a key head, G = B · K, N queries of a
 * sequence, C head width, S the cache's capacity, E keys of a block.
 */
record CachedAttentionSection(
        String name,
        Attention attention,
        @Nullable Rotation rotation,
        KeyValueCache cache,
        int layer,
        KeyValueCache.Places places)
        implements Section.Autograd {

    @Override
    public List<Parameter> parameters() {
        return attention.parameters();
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor x_TD = inputs[0];
        Tensor[] qkv = attention.project(attention.norm().forward(x_TD), rotation);
        write(qkv[1], cache.keys(layer));
        write(qkv[2], cache.values(layer));
        Tensor a_GRNC = attend(queries(qkv[0]));
        Tensor out_TD = attention.out().forward(tokens(a_GRNC));
        if (attention.residual() != 1) {
            out_TD.mulInPlace(attention.residual());
        }
        return new Tensor[] {out_TD.addInPlace(x_TD)};
    }

    private void write(Tensor rows_TKC, Tensor cache_GSC) {
        long head = cache_GSC.size(2);
        cache_GSC.view(-1, head).indexCopyInPlace(0, places.slot_I(), rows_TKC.reshape(-1, head));
    }

    /** Attention of each query to all keys it may see, in blocks of {@link AttentionBlocks#QUERIES} queries. */
    private Tensor attend(Tensor q_GRNC) {
        Tensor a_GRNC = q_GRNC.emptyLike();
        Tensor k_GSC = ofSequences(cache.keys(layer));
        Tensor v_GSC = ofSequences(cache.values(layer));
        long groups = q_GRNC.size(0);
        long shared = q_GRNC.size(1);
        long head = q_GRNC.size(3);
        for (long start = 0; start < places.queries(); start += AttentionBlocks.QUERIES) {
            long n = Math.min(AttentionBlocks.QUERIES, places.queries() - start);
            long end = cache.span((int) (places.start() + start + n));
            // The queries of all heads that share keys form one matrix.
            Tensor q_GMC = q_GRNC.narrow(2, start, n).reshape(groups, shared * n, head);
            Tensor scores_GME = AttentionBlocks.scores(q_GMC, k_GSC.narrow(1, 0, end), attention.scale());
            scores_GME
                    .view(places.sequences(), attention.heads(), n, end)
                    .addInPlace(places.mask_B1NE().narrow(2, start, n).narrow(3, 0, end));
            Tensor p_GME = Functions.softmax(scores_GME, scores_GME);
            Tensor part_GMC = p_GME.matmul(v_GSC.narrow(1, 0, end));
            a_GRNC.narrow(2, start, n).copy(part_GMC.view(groups, shared, n, head));
        }
        return a_GRNC;
    }

    private Tensor ofSequences(Tensor cache_GSC) {
        long heads = attention.kvHeads();
        return cache_GSC.narrow(0, places.first() * heads, places.sequences() * heads);
    }

    /**
     * Arranges tokens {@code [T, H, C]} as queries of their sequences {@code [G, R, N, C]}; places without a token hold
     * any token.
     */
    private Tensor queries(Tensor q_THC) {
        Tensor placed = places.grid() ? q_THC : q_THC.indexSelect(0, places.tokenOf_P());
        long groups = (long) places.sequences() * attention.kvHeads();
        return placed.view(places.sequences(), places.queries(), attention.heads(), -1)
                .transpose(1, 2)
                .reshape(groups, attention.heads() / attention.kvHeads(), places.queries(), attention.headWidth());
    }

    /** The inverse of {@link #queries}, with heads joined: {@code [T, H · C]}. */
    private Tensor tokens(Tensor a_GRNC) {
        Tensor a_PE = a_GRNC.view(places.sequences(), attention.heads(), places.queries(), -1)
                .transpose(1, 2)
                .reshape((long) places.sequences() * places.queries(), -1);
        return places.grid() ? a_PE : a_PE.indexSelect(0, places.placeOf_T());
    }
}
