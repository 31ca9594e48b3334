package dev.moe4j.model.block;

import static org.assertj.core.api.Assertions.assertThat;

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
import org.junit.jupiter.params.provider.ValueSource;

/** Blocked attention gives the same numbers for any number of threads. */
class AttentionBlocksTest {

    private static final int SEQUENCES = 5;
    private static final int HEADS = 5;
    private static final int HEAD = 8;
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
                List<double[]> one = compute(type, own, true);
                // One thread runs tasks of two sequences; the other numbers of threads run tasks of one sequence, three
                // heads, and two heads.
                for (int threads : List.of(2, 6, 16)) {
                    Libtorch.threads(threads);
                    assertThat(compute(type, own, true))
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
            assertThat(compute(type, own, false)).usingRecursiveComparison().isEqualTo(compute(type, own, true));
        }
    }

    /**
     * The attention output and its gradients.
     *
     * @param own whether each sequence has a separate mask
     */
    private static List<double[]> compute(DType type, boolean own, boolean keep) {
        try (Scope _ = Scope.open()) {
            AttentionBlocks blocks = new AttentionBlocks(mask(type, own), SEQUENCES, HEADS);
            Tensor qkv_3GSC = random(1, type, 3);
            Tensor a_GSC = Tensor.empty(type, Device.CPU, SEQUENCES * HEADS, LENGTH, HEAD);
            List<Tensor> weights_GNE = blocks.forward(qkv_3GSC, a_GSC, keep);
            assertThat(weights_GNE).hasSize(keep ? AttentionBlocks.count(LENGTH) : 0);
            Tensor gradient_3GSC = qkv_3GSC.emptyLike();
            blocks.backward(qkv_3GSC, weights_GNE, random(2, type, 1).select(0, 0), gradient_3GSC);
            return List.of(a_GSC.toDoubles(), gradient_3GSC.toDoubles());
        }
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

    private static Tensor random(long key, DType type, long parts) {
        Tensor x = Tensor.empty(DType.FLOAT64, Device.CPU, parts, SEQUENCES * HEADS, LENGTH, HEAD);
        new RandomKey(key).fillUniform(x, -1, 1);
        return x.to(type);
    }
}
