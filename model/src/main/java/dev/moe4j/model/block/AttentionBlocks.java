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
 * Causal attention softmax(scale · q·kᵀ + mask)·v on a CPU, in blocks of queries. A block reads only the keys up to its
 * own end, so most of the masked scores are never computed. Each thread runs some sequences' heads through all blocks,
 * because products of single heads are too small for several threads (docs/log.md has the measurement).
 *
 * <p>In grouped-query attention several query heads share a key head. Their queries of a block form one matrix, so that
 * keys and values are never repeated.
 *
 * <p>Shapes: B sequences, K key heads, G = B · K, R query heads of a key head, H key heads of a part, S length, C head
 * width, N queries of a block in one head, M = R · N, E keys up to the block's end.
 *
 * @param heads K
 * @param shared R
 * @param scale the factor of q·kᵀ
 */
public record AttentionBlocks(AttentionMask mask, long sequences, int heads, int shared, double scale) {

    /** The most queries of a block; docs/log.md has the measurement. */
    public static final long QUERIES = 128;

    /** The heads of a task, if there are enough sequences; docs/log.md has the measurement. */
    private static final long HEADS = 16;

    /** The minimum number of full-sized tasks per thread. With several, a thread that is slowed down takes fewer. */
    private static final long TASKS = 2;

    /**
     * All heads of some sequences, or some heads of one sequence. Parts are independent of each other.
     *
     * @param start the first key head
     * @param heads the number of key heads
     */
    private record Part(long start, long heads, int shared) {

        Tensor of(Tensor all_GSC) {
            return all_GSC.narrow(0, start, heads);
        }

        /** The part's query heads {@code [H, R, S, C]} of all query heads {@code [G · R, S, C]}. */
        Tensor ofQueries(Tensor all_QSC) {
            return all_QSC.narrow(0, start * shared, heads * shared)
                    .view(heads, shared, all_QSC.size(1), all_QSC.size(2));
        }
    }

    /** Queries from {@code start} to {@code end}, which attend to the keys before {@code end}. */
    private record Block(int number, long start, long end) {

        long size() {
            return end - start;
        }

        /** The block's queries {@code [H, M, C]}: a view if a key head has one query head. */
        Tensor queries(Tensor all_HRSC) {
            Tensor own_HRNC = all_HRSC.narrow(2, start, size());
            return all_HRSC.size(1) == 1
                    ? own_HRNC.squeeze(1)
                    : own_HRNC.reshape(all_HRSC.size(0), all_HRSC.size(1) * size(), all_HRSC.size(3));
        }

        /** Writes factor · a · b to the block's queries. */
        void setQueriesToProduct(Tensor all_HRSC, Tensor a_HME, Tensor b_HEC, double factor) {
            if (all_HRSC.size(1) == 1) {
                queries(all_HRSC).setToBatchProduct(a_HME, b_HEC, factor);
            } else {
                Tensor product_HMC =
                        Tensor.empty(a_HME.dtype(), a_HME.device(), all_HRSC.size(0), a_HME.size(1), all_HRSC.size(3));
                product_HMC.setToBatchProduct(a_HME, b_HEC, factor);
                all_HRSC.narrow(2, start, size())
                        .copy(product_HMC.view(all_HRSC.size(0), all_HRSC.size(1), size(), all_HRSC.size(3)));
            }
        }

        Tensor keys(Tensor all_HSC) {
            return all_HSC.narrow(1, 0, end);
        }

        /** An uninitialised [keyHeads, shared · N, E]. */
        Tensor emptyWeights(Tensor like, long keyHeads, long shared) {
            return Tensor.empty(like.dtype(), like.device(), keyHeads, shared * size(), end);
        }
    }

    /**
     * Queries, keys and values, or their gradients.
     *
     * @param q_QSC {@code [G · R, S, C]}, the query heads of a key head side by side
     * @param k_GSC {@code [G, S, C]}
     * @param v_GSC {@code [G, S, C]}
     */
    record Heads(Tensor q_QSC, Tensor k_GSC, Tensor v_GSC) {

        Heads emptyLike() {
            return new Heads(q_QSC.emptyLike(), k_GSC.emptyLike(), v_GSC.emptyLike());
        }
    }

    /**
     * Writes the attention output to {@code a_QSC}.
     *
     * @param keep whether {@link #backward} needs the attention weights
     * @return each block's attention weights [G, M, E]; empty unless kept
     */
    List<Tensor> forward(Heads heads, Tensor a_QSC, boolean keep) {
        List<Tensor> weights_GME = keep ? emptyWeights(a_QSC) : List.of();
        run(part -> forward(part, part(part, heads), weights_GME, part.ofQueries(a_QSC)));
        return weights_GME;
    }

    /**
     * Writes the gradients of queries, keys and values to {@code gradients}.
     *
     * @param heads the input of {@link #forward}
     * @param weights_GME the result of {@link #forward}; if empty, the weights are recomputed
     * @param a_QSC the gradient of the attention output
     */
    void backward(Heads heads, List<Tensor> weights_GME, Tensor a_QSC, Heads gradients) {
        run(part -> backward(part, part(part, heads), weights_GME, part.ofQueries(a_QSC), part(part, gradients)));
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

    private List<Tensor> emptyWeights(Tensor like_QSC) {
        return blocks(like_QSC.size(1)).stream()
                .map(block -> block.emptyWeights(like_QSC, sequences * heads, shared))
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
                ? Math.max(1, Math.min(HEADS / ((long) heads * shared), sequences / (TASKS * threads))) * heads
                : Math.ceilDiv(heads, Math.min(heads, Math.ceilDiv(threads, sequences)));
        List<Part> parts = new ArrayList<>();
        for (long first = 0; first < sequences * heads; first += range) {
            for (long start = 0; start < range; start += size) {
                parts.add(new Part(first + start, Math.min(size, range - start), shared));
            }
        }
        return parts;
    }

    /** The part's queries {@code [H, R, S, C]}, keys and values {@code [H, S, C]}, or their gradients. */
    private record PartHeads(Tensor q_HRSC, Tensor k_HSC, Tensor v_HSC) {}

    private static PartHeads part(Part part, Heads all) {
        return new PartHeads(part.ofQueries(all.q_QSC()), part.of(all.k_GSC()), part.of(all.v_GSC()));
    }

    private void forward(Part part, PartHeads of, List<Tensor> weights_GME, Tensor a_HRSC) {
        for (Block block : blocks(a_HRSC.size(2))) {
            try (Scope _ = Scope.open()) {
                Tensor p_HME = weights_GME.isEmpty()
                        ? block.emptyWeights(a_HRSC, part.heads(), shared)
                        : part.of(weights_GME.get(block.number()));
                setToWeights(p_HME, part, block, of);
                block.setQueriesToProduct(a_HRSC, p_HME, block.keys(of.v_HSC()), 1);
            }
        }
    }

    private void backward(Part part, PartHeads of, List<Tensor> weights_GME, Tensor a_HRSC, PartHeads gradient) {
        long length = a_HRSC.size(2);
        // The last block attends to all keys, so it runs first and overwrites the gradients that the others add to.
        for (Block block : blocks(length).reversed()) {
            try (Scope _ = Scope.open()) {
                Tensor p_HME = weights_GME.isEmpty()
                        ? setToWeights(block.emptyWeights(a_HRSC, part.heads(), shared), part, block, of)
                        : part.of(weights_GME.get(block.number()));
                Tensor a_HMC = block.queries(a_HRSC);
                Tensor q_HMC = block.queries(of.q_HRSC());
                Tensor dp_HME = a_HMC.matmul(transposed(block.keys(of.v_HSC())));
                Tensor ds_HME = Functions.softmaxBackward(dp_HME, p_HME);
                block.setQueriesToProduct(gradient.q_HRSC(), ds_HME, block.keys(of.k_HSC()), scale);
                Tensor p_HEM = p_HME.transpose(1, 2);
                Tensor ds_HEM = ds_HME.transpose(1, 2);
                if (block.end() == length) {
                    gradient.v_HSC().setToBatchProduct(p_HEM, a_HMC);
                    gradient.k_HSC().setToBatchProduct(ds_HEM, q_HMC, scale);
                } else {
                    block.keys(gradient.v_HSC()).addBatchProductInPlace(p_HEM, a_HMC, 1);
                    block.keys(gradient.k_HSC()).addBatchProductInPlace(ds_HEM, q_HMC, scale);
                }
            }
        }
    }

    /** Writes the block's attention weights to {@code p_HME} and returns it. */
    private Tensor setToWeights(Tensor p_HME, Part part, Block block, PartHeads of) {
        setToScores(p_HME, block.queries(of.q_HRSC()), block.keys(of.k_HSC()), scale);
        switch (mask) {
            // Keys before the block are visible to all its queries.
            case AttentionMask.Causal(Tensor corner_XX) ->
                p_HME.view(part.heads() * shared, block.size(), block.end())
                        .narrow(2, block.start(), block.size())
                        .addInPlace(corner_XX.narrow(0, 0, block.size()).narrow(1, 0, block.size()));
            case AttentionMask.PerSequence(Tensor added_B1SS) -> {
                Tensor added_B1NE =
                        added_B1SS.narrow(2, block.start(), block.size()).narrow(3, 0, block.end());
                long first = part.start() / heads;
                long count = Math.ceilDiv(part.heads(), heads);
                p_HME.view(count, part.heads() * shared / count, block.size(), block.end())
                        .addInPlace(added_B1NE.narrow(0, first, count));
            }
        }
        return Functions.softmax(p_HME, p_HME);
    }

    /**
     * The scores scale · q·kᵀ without a mask, {@code [H, M, E]}, of queries {@code [H, M, C]} and keys {@code [H, E, C]}.
     */
    public static Tensor scores(Tensor q_HMC, Tensor k_HEC, double scale) {
        Tensor empty_HME = Tensor.empty(q_HMC.dtype(), q_HMC.device(), q_HMC.size(0), q_HMC.size(1), k_HEC.size(1));
        return setToScores(empty_HME, q_HMC, k_HEC, scale);
    }

    private static Tensor setToScores(Tensor result_HME, Tensor q_HMC, Tensor k_HEC, double scale) {
        return result_HME.setToBatchProduct(q_HMC, transposed(k_HEC), scale);
    }

    /**
     * A part of each matrix's rows, transposed for a product: {@code [H, C, E]}. libtorch's product copies views, and
     * copies transposed views element by element. A contiguous copy first makes the total 1.2 to 2.5 times as fast.
     */
    private static Tensor transposed(Tensor rows_HEC) {
        return rows_HEC.contiguous().transpose(1, 2);
    }
}
