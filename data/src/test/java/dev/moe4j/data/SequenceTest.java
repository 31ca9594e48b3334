package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.data.sample.BlockSampler;
import dev.moe4j.data.sample.EvalWindows;
import dev.moe4j.data.sample.Permutation;
import dev.moe4j.data.shard.DocumentStream;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.DataException;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

final class SequenceTest {
    private static DocumentStream counting(int tokens) {
        return new Documents(IntStream.range(0, tokens).toArray(), 0, tokens);
    }

    @Test
    void permutationsAreBijections() {
        for (int n = 1; n <= 600; n++) {
            Permutation permutation = new Permutation(n, n * 31L);
            boolean[] seen = new boolean[n];
            for (int i = 0; i < n; i++) {
                seen[(int) permutation.get(i)] = true;
            }
            assertThat(seen).doesNotContain(false);
        }
    }

    @Test
    void permutationsOfMillionsStayInRangeAndDiffer() {
        Permutation one = new Permutation(1L << 40, 1);
        Permutation two = new Permutation(1L << 40, 2);
        Set<Long> seen = new HashSet<>();
        int equal = 0;
        for (long i = 0; i < 20_000; i++) {
            assertThat(one.get(i)).isBetween(0L, (1L << 40) - 1);
            assertThat(seen.add(one.get(i))).isTrue();
            equal += one.get(i) == two.get(i) ? 1 : 0;
        }
        assertThat(equal).isZero();
    }

    @Test
    void everyPlaceIsAboutEquallyLikely() {
        int n = 10;
        int[][] counts = new int[n][n];
        int keys = 20_000;
        for (int key = 0; key < keys; key++) {
            Permutation permutation = new Permutation(n, key);
            for (int i = 0; i < n; i++) {
                counts[i][(int) permutation.get(i)]++;
            }
        }
        for (int[] row : counts) {
            // Expected 2000, standard deviation 42; these keys are fixed, so the test does not flicker.
            assertThat(Arrays.stream(row)).allMatch(count -> count > 1750 && count < 2250);
        }
    }

    @Test
    void anEpochHasEachChunkOnceInAnotherOrder() {
        BlockSampler sampler = new BlockSampler(counting(1003), 10, 7);
        assertThat(sampler.sequencesPerEpoch()).isEqualTo(100);
        int[] out = new int[11];
        int[][] orders = new int[3][100];
        for (int epoch = 0; epoch < 3; epoch++) {
            boolean[] seen = new boolean[100];
            for (int i = 0; i < 100; i++) {
                long number = epoch * 100L + i;
                sampler.sequence(number, out);
                assertThat(out[0]).isEqualTo((int) sampler.offset(number));
                assertThat(out[0] % 10).isZero();
                assertThat(out)
                        .isEqualTo(IntStream.rangeClosed(out[0], out[0] + 10).toArray());
                assertThat(seen[out[0] / 10]).isFalse();
                seen[out[0] / 10] = true;
                orders[epoch][i] = out[0] / 10;
            }
        }
        assertThat(orders[0])
                .isNotEqualTo(orders[1])
                .isNotEqualTo(IntStream.range(0, 100).toArray());
        assertThat(orders[1]).isNotEqualTo(orders[2]);
        BlockSampler other = new BlockSampler(counting(1003), 10, 8);
        assertThat(IntStream.range(0, 100).map(i -> (int) other.offset(i) / 10).toArray())
                .isNotEqualTo(orders[0]);
        // A law of the format: resuming years later must find the same order.
        assertThat(Arrays.copyOf(orders[0], 5)).containsExactly(68, 4, 58, 24, 74);
    }

    @Test
    void aSequenceCanBeWrittenIntoABatch() {
        BlockSampler sampler = new BlockSampler(counting(5), 4, 0);
        int[] batch = new int[12];
        sampler.sequence(9, batch, 6);
        assertThat(batch).containsExactly(0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 0);
        assertThatThrownBy(() -> sampler.sequence(0, new int[4])).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> sampler.sequence(-1, batch)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void tooLittleTextIsAnError() {
        assertThatThrownBy(() -> new BlockSampler(counting(4), 4, 0))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("4 tokens, too few for one sequence of 4")
                .hasMessageEndingWith("give more text or set a smaller model.context");
        assertThatThrownBy(() -> new BlockSampler(counting(4), 0, 0)).isInstanceOf(DataException.class);
        assertThatThrownBy(() -> new EvalWindows(counting(1), 4, 0)).isInstanceOf(DataException.class);
        assertThatThrownBy(() -> new EvalWindows(counting(9), 0, 0)).isInstanceOf(DataException.class);
    }

    @Test
    void evaluationScoresEachTokenButTheFirstOnce() {
        for (int length = 1; length <= 12; length++) {
            for (int tokens = 2; tokens <= 40; tokens++) {
                EvalWindows walk = new EvalWindows(counting(tokens), length, 99);
                int[] inputs = new int[length];
                int[] targets = new int[length];
                int next = 1;
                for (long w = 0; w < walk.windows(); w++) {
                    int count = walk.window(w, inputs, targets);
                    assertThat(count).isEqualTo(w < walk.windows() - 1 ? length : tokens - next);
                    for (int i = 0; i < length; i++) {
                        assertThat(targets[i]).isEqualTo(i < count ? next : EvalWindows.NO_TARGET);
                        assertThat(inputs[i]).isEqualTo(i < count ? next - 1 : 99);
                        next += i < count ? 1 : 0;
                    }
                }
                assertThat(next).isEqualTo(tokens);
                assertThat(walk.predictions()).isEqualTo(tokens - 1);
                assertThatThrownBy(() -> walk.window(walk.windows(), inputs, targets))
                        .isInstanceOf(IndexOutOfBoundsException.class);
            }
        }
    }

    /** Each id is predicted once; from its second window on a text gives all the context that fits. */
    @Test
    void overlappingWindowsPredictEachTokenOnceToo() {
        for (int length = 1; length <= 9; length++) {
            for (int stride = 1; stride <= length; stride++) {
                for (int tokens = 2; tokens <= 30; tokens++) {
                    EvalWindows walk = new EvalWindows(counting(tokens), length, 99).stride(stride);
                    int[] inputs = new int[length];
                    int[] targets = new int[length];
                    int next = 1;
                    for (long w = 0; w < walk.windows(); w++) {
                        int count = walk.window(w, inputs, targets);
                        int used = walk.length(w);
                        assertThat(count).isBetween(1, w == 0 ? length : stride);
                        for (int i = 0; i < used; i++) {
                            assertThat(inputs[i]).isEqualTo(w * stride + i);
                            assertThat(targets[i]).isEqualTo(i < used - count ? EvalWindows.NO_TARGET : next++);
                        }
                    }
                    assertThat(next).isEqualTo(tokens);
                }
            }
        }
        assertThatThrownBy(() -> new EvalWindows(counting(9), 4, 0).stride(5))
                .isInstanceOf(DataException.class)
                .hasMessage("windows of 4 tokens cannot move by 5; give from 1 to their length");
    }

    /** Three documents, the second of them empty and the last one without an end. */
    @Test
    void documentsBeginBehindAnEndOfText() {
        TokenStream text = TokenStream.of(5, 6, 7, 8, 0, 0, 9, 10);
        EvalWindows walk = new EvalWindows(text, 3, 99).documents(0);
        int[] inputs = new int[3];
        int[] targets = new int[3];
        int[][] expected = {{0, 5, 6, 5, 6, 7}, {7, 8, 99, 8, 0, -1}, {0, 99, 99, 0, -1, -1}, {0, 9, 99, 9, 10, -1}};
        assertThat(walk.windows()).isEqualTo(4);
        assertThat(walk.predictions()).isEqualTo(8);
        for (int w = 0; w < 4; w++) {
            walk.window(w, inputs, targets);
            assertThat(inputs).containsExactly(Arrays.copyOf(expected[w], 3));
            assertThat(targets).containsExactly(Arrays.copyOfRange(expected[w], 3, 6));
        }
        assertThat(new EvalWindows(counting(9), 4, 0).documents(77).windows()).isEqualTo(3);
    }

    /** As in the paper's form, documents contain end-of-text tokens. The second document is empty. */
    @Test
    void documentsAreWhatTheDataSaysTheyAre() {
        EvalWindows walk = new EvalWindows(new Documents(new int[] {5, 0, 6, 7, 8, 9}, 0, 3, 3, 6), 4, 99).documents(0);
        int[] inputs = new int[4];
        int[] targets = new int[4];
        assertThat(walk.windows()).isEqualTo(2);
        walk.window(0, inputs, targets);
        assertThat(inputs).containsExactly(0, 5, 0, 99);
        assertThat(targets).containsExactly(5, 0, 6, -1);
        walk.window(1, inputs, targets);
        assertThat(inputs).containsExactly(0, 7, 8, 99);
        assertThat(targets).containsExactly(7, 8, 9, -1);
    }
}
