package dev.moe4j.parallel.layout;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class AllToAllSplitsTest {

    /** Sender and receiver divide their rows by the same rule, so the counts of the halves match. */
    @Test
    void halvesAreTheWhole() {
        long[][] here = {{5, 0}, {1, 2}};
        long[][] there = {{1, 2}, {7, 3}};
        List<AllToAllSplits> halves = new AllToAllSplits(here, there, 8).halves();

        assertThat(halves.get(0).sent()).isDeepEqualTo(new long[][] {{3, 0}, {1, 1}});
        assertThat(halves.get(1).sent()).isDeepEqualTo(new long[][] {{2, 0}, {0, 1}});
        assertThat(halves.get(0).received()).isDeepEqualTo(new long[][] {{1, 1}, {4, 2}});
        assertThat(halves.get(1).received()).isDeepEqualTo(new long[][] {{0, 1}, {3, 1}});
        assertThat(halves).allMatch(half -> half.rowBytes() == 8);
    }
}
