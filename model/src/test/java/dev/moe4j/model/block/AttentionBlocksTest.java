package dev.moe4j.model.block;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Blocked attention gives the same numbers for any number of threads. */
class AttentionBlocksTest {

    private static final int SEQUENCES = 5;
    private static final int HEADS = 5;
    private static final int HEAD = 8;
    private static final double SCALE = 0.4;
    /** Two full blocks and a smaller one. */
    private static final int LENGTH = 300;

    @ParameterizedTest
    @ValueSource(strings = {"fp64", "fp32", "bf16"})
    void resultsDoNotDependOnTheNumberOfThreads(String precision) {
        DType type = Precision.parse(precision).compute();
        int before = Libtorch.threads();
        try {
            for (boolean own : List.of(false, true)) {
                Libtorch.threads(1);
                List<double[]> one = compute(type, own, true, 1);
                // One thread runs tasks of two sequences; the other numbers of threads run tasks of one sequence, three
                // heads, and two heads.
                for (int threads : List.of(2, 6, 16)) {
                    Libtorch.threads(threads);
                    assertThat(compute(type, own, true, 1))
                            .as("%s threads", threads)
                            .usingRecursiveComparison()
                            .isEqualTo(one);
                }
            }
        } finally {
            Libtorch.threads(before);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"fp64", "fp32", "bf16"})
    void recomputedWeightsEqualKeptOnes(String precision) {
        DType type = Precision.parse(precision).compute();
        for (boolean own : List.of(false, true)) {
            for (int shared : List.of(1, 2)) {
                assertThat(compute(type, own, false, shared))
                        .usingRecursiveComparison()
                        .isEqualTo(compute(type, own, true, shared));
            }
        }
    }

    /**
     * The attention output and its gradients.
     *
     * @param own whether each sequence has a separate mask
     * @param shared the number of query heads of a key head
     */
    private static List<double[]> compute(DType type, boolean own, boolean keep, int shared) {
        try (Scope _ = Scope.open()) {
            return compute(type, own, keep, shared, heads(type, shared));
        }
    }

    private static AttentionBlocks.Heads heads(DType type, int shared) {
        return new AttentionBlocks.Heads(
                random(1, type, (long) HEADS * shared), random(3, type, HEADS), random(4, type, HEADS));
    }

    private static List<double[]> compute(
            DType type, boolean own, boolean keep, int shared, AttentionBlocks.Heads heads) {
        long keyHeads = heads.k_GSC().size(0) / SEQUENCES;
        AttentionBlocks blocks = new AttentionBlocks(mask(type, own), SEQUENCES, (int) keyHeads, shared, SCALE);
        Tensor a_QSC = heads.q_QSC().emptyLike();
        List<Tensor> weights_GME = blocks.forward(heads, a_QSC, keep);
        assertThat(weights_GME).hasSize(keep ? AttentionBlocks.count(LENGTH) : 0);
        AttentionBlocks.Heads gradients = heads.emptyLike();
        blocks.backward(heads, weights_GME, random(2, type, a_QSC.size(0) / SEQUENCES), gradients);
        return List.of(
                a_QSC.toDoubles(),
                gradients.q_QSC().toDoubles(),
                gradients.k_GSC().toDoubles(),
                gradients.v_GSC().toDoubles());
    }

    /** Several query heads of a key head give what the same query heads give with a copy of the key head each. */
    @ParameterizedTest
    @CsvSource({"fp64, 1e-13", "fp32, 1e-5"})
    void sharedKeyHeadsEqualRepeatedOnes(String precision, double bound) {
        DType type = Precision.parse(precision).compute();
        int shared = 3;
        for (boolean own : List.of(false, true)) {
            try (Scope _ = Scope.open()) {
                AttentionBlocks.Heads heads = heads(type, shared);
                List<double[]> grouped = compute(type, own, true, shared, heads);
                List<double[]> repeated = compute(
                        type,
                        own,
                        true,
                        1,
                        new AttentionBlocks.Heads(
                                heads.q_QSC(), repeated(heads.k_GSC(), shared), repeated(heads.v_GSC(), shared)));
                for (int i = 0; i < grouped.size(); i++) {
                    double[] expected = i < 2 ? repeated.get(i) : summed(type, repeated.get(i), shared);
                    assertThat(Difference.relative(grouped.get(i), expected)).isLessThanOrEqualTo(bound);
                }
            }
        }
    }

    private static Tensor repeated(Tensor x_GSC, int times) {
        return x_GSC.unsqueeze(1)
                .expand(x_GSC.size(0), times, LENGTH, HEAD)
                .reshape(x_GSC.size(0) * times, LENGTH, HEAD);
    }

    private static double[] summed(DType type, double[] copies, int times) {
        return Tensor.of(copies)
                .to(type)
                .view(-1, times, (long) LENGTH * HEAD)
                .sum(1)
                .toDoubles();
    }

    private static AttentionMask mask(DType type, boolean own) {
        if (!own) {
            return new AttentionMask.Causal(Functions.causalMask(AttentionBlocks.QUERIES, type, Device.CPU));
        }
        Tensor causal = Functions.causalMask(LENGTH, type, Device.CPU);
        Tensor mask = Tensor.zeros(type, Device.CPU, SEQUENCES, 1, LENGTH, LENGTH);
        for (int sequence = 0; sequence < SEQUENCES; sequence++) {
            mask.select(0, sequence).select(0, 0).copy(causal);
            // The last tokens do not see the first ones.
            mask.narrow(0, sequence, 1)
                    .narrow(2, LENGTH - 100, 100)
                    .narrow(3, 0, 10L * sequence + 1)
                    .fill(Double.NEGATIVE_INFINITY);
        }
        return new AttentionMask.PerSequence(mask);
    }

    private static Tensor random(long key, DType type, long heads) {
        Tensor x = Tensor.empty(DType.FLOAT64, Device.CPU, SEQUENCES * heads, LENGTH, HEAD);
        new RandomKey(key).fillUniform(x, -1, 1);
        return x.to(type);
    }
}
