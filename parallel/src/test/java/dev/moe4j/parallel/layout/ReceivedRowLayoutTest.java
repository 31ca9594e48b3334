package dev.moe4j.parallel.layout;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class ReceivedRowLayoutTest {

    @Test
    void sortsByKindAndRoundsUp() {
        // Two senders and three kinds: received rows 0 1 2 | 3 4 have kinds 0 0 2 | 0 2.
        ReceivedRowLayout arrivals = ReceivedRowLayout.of(new long[][] {{2, 0, 1}, {1, 0, 1}}, 2);
        assertThat(arrivals.ends()).containsExactly(4, 4, 6);
        assertThat(arrivals.arrivedOf()).containsExactly(0, 1, 3, 0, 2, 4);
        assertThat(arrivals.filled()).containsExactly(true, true, true, false, true, true);
        assertThat(arrivals.rowOf()).containsExactly(0, 1, 4, 2, 5);
    }

    @Test
    void nothingArrived() {
        ReceivedRowLayout arrivals = ReceivedRowLayout.of(new long[][] {{0, 0}, {0, 0}}, 32);
        assertThat(arrivals.ends()).containsExactly(0, 0);
        assertThat(arrivals.arrivedOf()).isEmpty();
        assertThat(arrivals.rowOf()).isEmpty();
    }

    /** Sorting and unsorting give the original rows, for random counts. */
    @Test
    void everyRowHasItsPlace() {
        long seed = 7;
        Random random = new Random(seed);
        for (int trial = 0; trial < 100; trial++) {
            long[][] received = new long[1 + random.nextInt(5)][1 + random.nextInt(5)];
            int kinds = received[0].length;
            for (long[] member : received) {
                for (int kind = 0; kind < kinds; kind++) {
                    member[kind] = random.nextInt(4);
                }
            }
            ReceivedRowLayout arrivals = ReceivedRowLayout.of(received, 3);
            int arrived = 0;
            for (long[] member : received) {
                for (int kind = 0; kind < kinds; kind++) {
                    for (int i = 0; i < member[kind]; i++, arrived++) {
                        int row = (int) arrivals.rowOf()[arrived];
                        assertThat(arrivals.arrivedOf()[row])
                                .as("seed %d", seed)
                                .isEqualTo(arrived);
                        assertThat(arrivals.filled()[row]).isTrue();
                        assertThat(row).isBetween(kind == 0 ? 0 : arrivals.ends()[kind - 1], arrivals.ends()[kind] - 1);
                    }
                }
            }
            assertThat(arrivals.rowOf()).hasSize(arrived);
            assertThat(Arrays.stream(arrivals.ends())).allMatch(end -> end % 3 == 0);
        }
    }
}
