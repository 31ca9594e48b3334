package dev.moe4j.model.block;

import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;

/**
 * Causal attention softmax(q·kᵀ / √C + mask)·v on a CPU, in blocks of queries. A block reads only the keys up to its
 * own end, so most of the masked scores are never computed. Each thread runs some sequences' heads through all blocks,
 * because products of single heads are too small for several threads (docs/log.md has the measurement).
 *
 * <p>Shapes: B sequences, G = B · heads, H heads of a part, S length, C model / heads, N queries of a block, E keys up
 * to its end.
 */
public record AttentionBlocks(AttentionMask mask, long sequences, int heads) {

    /** The most queries of a block; docs/log.md has the measurement. */
    public static final long QUERIES = 128;

    /** The heads of a task, if there are enough sequences; docs/log.md has the measurement. */
    private static final long HEADS = 16;

    /** The minimum number of full-sized tasks per thread. With several, a thread that is slowed down takes fewer. */
    private static final long TASKS = 2;

    /** All heads of some sequences, or some heads of one sequence. Parts are independent of each other. */
    private record Part(long start, long heads) {

        Tensor of(Tensor all_GSC) {
            return all_GSC.narrow(0, start, heads);
        }
    }

    /** Queries from {@code start} to {@code end}, which attend to the keys before {@code end}. */
    private record Block(int number, long start, long end) {

        long size() {
            return end - start;
        }

        Tensor queries(Tensor all_HSC) {
            return all_HSC.narrow(1, start, size());
        }

        Tensor keys(Tensor all_HSC) {
            return all_HSC.narrow(1, 0, end);
        }

        /** An uninitialised [G, N, E] for the heads of {@code like_GSC}. */
        Tensor emptyWeights(Tensor like_GSC) {
            return Tensor.empty(like_GSC.dtype(), like_GSC.device(), like_GSC.size(0), size(), end);
        }
    }

    /**
     * Writes the attention output to {@code a_GSC}.
     *
     * @param qkv_3GSC queries, keys and values
     * @param keep whether {@link #backward} needs the attention weights
     * @return each block's attention weights [G, N, E]; empty unless kept
     */
    List<Tensor> forward(Tensor qkv_3GSC, Tensor a_GSC, boolean keep) {
        List<Tensor> weights_GNE = keep ? emptyWeights(a_GSC) : List.of();
        run(part -> forward(part, part(part, qkv_3GSC), weights_GNE, part.of(a_GSC)));
        return weights_GNE;
    }

    /**
     * Writes the gradients of queries, keys and values to {@code gradient_3GSC}.
     *
     * @param qkv_3GSC the input of {@link #forward}
     * @param weights_GNE the result of {@link #forward}; if empty, the weights are recomputed
     * @param a_GSC the gradient of the attention output
     */
    void backward(Tensor qkv_3GSC, List<Tensor> weights_GNE, Tensor a_GSC, Tensor gradient_3GSC) {
        run(part -> backward(part, part(part, qkv_3GSC), weights_GNE, part.of(a_GSC), part(part, gradient_3GSC)));
    }

    /** The number of blocks in a sequence. */
    static int count(long length) {
        return (int) Math.ceilDiv(length, QUERIES);
    }

    private static List<Block> blocks(long length) {
        List<Block> blocks = new ArrayList<>();
        for (int number = 0; number < count(length); number++) {
            long start = number * QUERIES;
            blocks.add(new Block(number, start, Math.min(start + QUERIES, length)));
        }
        return blocks;
    }

    private static List<Tensor> emptyWeights(Tensor like_GSC) {
        return blocks(like_GSC.size(1)).stream()
                .map(block -> block.emptyWeights(like_GSC))
                .toList();
    }

    private void run(Consumer<Part> task) {
        List<Part> parts = parts(Libtorch.threads());
        ParallelTasks.run(parts.size(), i -> task.accept(parts.get(i)));
    }

    /** Parts of some sequences each, or of some heads of one sequence if threads outnumber sequences. */
    private List<Part> parts(int threads) {
        boolean whole = sequences >= threads;
        long range = whole ? sequences * heads : heads;
        long size = whole
                ? Math.max(1, Math.min(HEADS / heads, sequences / (TASKS * threads))) * heads
                : Math.ceilDiv(heads, Math.min(heads, Math.ceilDiv(threads, sequences)));
        List<Part> parts = new ArrayList<>();
        for (long first = 0; first < sequences * heads; first += range) {
            for (long start = 0; start < range; start += size) {
                parts.add(new Part(first + start, Math.min(size, range - start)));
            }
        }
        return parts;
    }

    /** The part's queries, keys and values, or their gradients. */
    private record Projections(Tensor q_HSC, Tensor k_HSC, Tensor v_HSC) {}

    private static Projections part(Part part, Tensor all_3GSC) {
        return new Projections(
                part.of(all_3GSC.select(0, 0)), part.of(all_3GSC.select(0, 1)), part.of(all_3GSC.select(0, 2)));
    }

    private void forward(Part part, Projections of, List<Tensor> weights_GNE, Tensor a_HSC) {
        for (Block block : blocks(a_HSC.size(1))) {
            try (Scope _ = Scope.open()) {
                Tensor p_HNE =
                        weights_GNE.isEmpty() ? block.emptyWeights(a_HSC) : part.of(weights_GNE.get(block.number()));
                setToWeights(p_HNE, part, block, of);
                block.queries(a_HSC).setToBatchProduct(p_HNE, block.keys(of.v_HSC()));
            }
        }
    }

    private void backward(Part part, Projections of, List<Tensor> weights_GNE, Tensor a_HSC, Projections gradient) {
        long length = a_HSC.size(1);
        double scale = scale(a_HSC);
        // The last block attends to all keys, so it runs first and overwrites the gradients that the others add to.
        for (Block block : blocks(length).reversed()) {
            try (Scope _ = Scope.open()) {
                Tensor p_HNE = weights_GNE.isEmpty()
                        ? setToWeights(block.emptyWeights(a_HSC), part, block, of)
                        : part.of(weights_GNE.get(block.number()));
                Tensor a_HNC = block.queries(a_HSC);
                Tensor q_HNC = block.queries(of.q_HSC());
                Tensor dp_HNE = a_HNC.matmul(transposed(block.keys(of.v_HSC())));
                Tensor ds_HNE = Functions.softmaxBackward(dp_HNE, p_HNE);
                block.queries(gradient.q_HSC()).setToBatchProduct(ds_HNE, block.keys(of.k_HSC()), scale);
                Tensor p_HEN = p_HNE.transpose(1, 2);
                Tensor ds_HEN = ds_HNE.transpose(1, 2);
                if (block.end() == length) {
                    gradient.v_HSC().setToBatchProduct(p_HEN, a_HNC);
                    gradient.k_HSC().setToBatchProduct(ds_HEN, q_HNC, scale);
                } else {
                    block.keys(gradient.v_HSC()).addBatchProductInPlace(p_HEN, a_HNC, 1);
                    block.keys(gradient.k_HSC()).addBatchProductInPlace(ds_HEN, q_HNC, scale);
                }
            }
        }
    }

    /** Writes the block's attention weights to {@code p_HNE} and returns it. */
    private Tensor setToWeights(Tensor p_HNE, Part part, Block block, Projections of) {
        setToProducts(p_HNE, block.queries(of.q_HSC()), block.keys(of.k_HSC()));
        switch (mask) {
            // Keys before the block are visible to all its queries.
            case AttentionMask.Causal(Tensor corner_XX) ->
                p_HNE.narrow(2, block.start(), block.size())
                        .addInPlace(corner_XX.narrow(0, 0, block.size()).narrow(1, 0, block.size()));
            case AttentionMask.PerSequence(Tensor added_B1SS) -> {
                Tensor added_B1NE =
                        added_B1SS.narrow(2, block.start(), block.size()).narrow(3, 0, block.end());
                long first = part.start() / heads;
                long count = Math.ceilDiv(part.heads(), heads);
                p_HNE.view(count, part.heads() / count, block.size(), block.end())
                        .addInPlace(added_B1NE.narrow(0, first, count));
            }
        }
        return Functions.softmax(p_HNE, p_HNE);
    }

    /**
     * The scores q·kᵀ / √C without a mask, {@code [H, N, E]}, of queries {@code [H, N, C]} and keys {@code [H, E, C]}.
     */
    public static Tensor products(Tensor q_HNC, Tensor k_HEC) {
        return setToProducts(
                Tensor.empty(q_HNC.dtype(), q_HNC.device(), q_HNC.size(0), q_HNC.size(1), k_HEC.size(1)), q_HNC, k_HEC);
    }

    private static Tensor setToProducts(Tensor result_HNE, Tensor q_HNC, Tensor k_HEC) {
        return result_HNE.setToBatchProduct(q_HNC, transposed(k_HEC), scale(q_HNC));
    }

    /**
     * A part of each matrix's rows, transposed for a product: {@code [H, C, E]}. libtorch's product copies views, and
     * copies transposed views element by element. A contiguous copy first makes the total 1.2 to 2.5 times as fast.
     */
    private static Tensor transposed(Tensor rows_HEC) {
        return rows_HEC.contiguous().transpose(1, 2);
    }

    private static double scale(Tensor like_HSC) {
        return 1 / Math.sqrt((double) like_HSC.size(2));
    }
}
