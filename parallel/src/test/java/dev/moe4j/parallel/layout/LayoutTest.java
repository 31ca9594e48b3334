package dev.moe4j.parallel.layout;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LayoutTest {

    private static final int LARGEST_WORLD = 12;
    private static final int MOST_EXPERTS = 24;

    private interface Check {
        void on(List<Layout> ranks);
    }

    /** Every number of ranks with every expert parallel degree that divides it. */
    private static void everywhere(Check check) {
        for (int world = 1; world <= LARGEST_WORLD; world++) {
            for (int degree = 1; degree <= world; degree++) {
                if (world % degree == 0) {
                    List<Layout> ranks = new ArrayList<>();
                    for (int rank = 0; rank < world; rank++) {
                        ranks.add(new Layout(world, rank, degree, Sharding.NONE));
                    }
                    check.on(ranks);
                }
            }
        }
    }

    @Test
    void everyRankIsInOneGroupOfEachKind() {
        everywhere(ranks -> {
            int world = ranks.size();
            for (Layout layout : ranks) {
                for (Members members : List.of(layout.everyone(), layout.expertGroup(), layout.replicaGroup())) {
                    assertThat(members.ranks())
                            .isSorted()
                            .doesNotHaveDuplicates()
                            .contains(layout.rank());
                    assertThat(members.ranks().get(members.index())).isEqualTo(layout.rank());
                    // The other members see the same group under the same name.
                    for (int other : members.ranks()) {
                        Layout there = ranks.get(other);
                        assertThat(List.of(there.everyone(), there.expertGroup(), there.replicaGroup()))
                                .contains(new Members(members.name(), members.ranks(), other));
                    }
                }
                assertThat(layout.everyone().size()).isEqualTo(world);
                assertThat(layout.expertGroup().size()).isEqualTo(layout.expertParallel());
                assertThat(layout.replicaGroup().size()).isEqualTo(layout.replicas());
                // An expert parallel group and a replica group share exactly one rank.
                assertThat(layout.expertGroup().ranks().stream()
                                .filter(layout.replicaGroup().ranks()::contains))
                        .containsExactly(layout.rank());
                assertThat(layout.expertGroup().ranks().getLast()
                                - layout.expertGroup().ranks().getFirst())
                        .as("consecutive ranks")
                        .isEqualTo(layout.expertParallel() - 1);
            }
        });
    }

    @Test
    void everyExpertGroupHoldsEveryExpertOnce() {
        everywhere(ranks -> {
            for (int experts = 1; experts <= MOST_EXPERTS; experts++) {
                Layout any = ranks.getFirst();
                if (experts % any.expertParallel() != 0) {
                    continue;
                }
                for (Layout layout : ranks) {
                    List<Integer> held = new ArrayList<>();
                    for (int rank : layout.expertGroup().ranks()) {
                        Slice slice = ranks.get(rank).experts(experts);
                        assertThat(slice.length()).isEqualTo(any.expertsPerRank(experts));
                        for (long e = slice.start(); e < slice.end(); e++) {
                            held.add((int) e);
                        }
                    }
                    assertThat(held)
                            .containsExactlyElementsOf(
                                    IntStream.range(0, experts).boxed().toList());
                    for (int rank : layout.replicaGroup().ranks()) {
                        assertThat(ranks.get(rank).experts(experts)).isEqualTo(layout.experts(experts));
                    }
                }
            }
        });
    }

    /** With 8 ranks and 2 experts the published degree is min(W, E) = 2, so there are four copies of each expert. */
    @Test
    void moreRanksThanExperts() {
        Layout layout = new Layout(8, 5, 2, Sharding.NONE);
        assertThat(layout.expertGroup().ranks()).containsExactly(4, 5);
        assertThat(layout.replicaGroup().ranks()).containsExactly(1, 3, 5, 7);
        assertThat(layout.replicas()).isEqualTo(4);
        assertThat(layout.experts(2)).isEqualTo(new Slice(1, 1));
    }

    @Test
    void sharesAreEqualAndCoverAll() {
        everywhere(ranks -> {
            TreeSet<Long> covered = new TreeSet<>();
            for (Layout layout : ranks) {
                Slice share = layout.everyone().share(3L * ranks.size());
                assertThat(share.length()).isEqualTo(3);
                for (long i = share.start(); i < share.end(); i++) {

                    assertThat(covered.add(i)).isTrue();
                }
            }
            assertThat(covered).hasSize(3 * ranks.size());
            assertThat(covered.getLast()).isEqualTo(3L * ranks.size() - 1);
        });
    }

    @Test
    void whatDoesNotFitSaysWhatDoes() {
        assertThatThrownBy(() -> new Layout(0, 0, 1, Sharding.NONE))
                .isInstanceOf(ParallelException.class)
                .hasMessage("a run has at least 1 process, not 0");
        assertThatThrownBy(() -> new Layout(2, 2, 1, Sharding.NONE))
                .isInstanceOf(ParallelException.class)
                .hasMessage("rank 2 is not one of the 2 ranks of this run: ranks count from 0");
        assertThatThrownBy(() -> new Layout(6, 0, 4, Sharding.NONE))
                .isInstanceOf(ParallelException.class)
                .hasMessage(
                        "parallel.expert: 4 does not divide the 6 processes of this run: choose one of [1, 2, 3, 6]");
        assertThatThrownBy(() -> new Layout(6, 0, 0, Sharding.NONE)).isInstanceOf(ParallelException.class);
        assertThatThrownBy(() -> new Layout(8, 0, 8, Sharding.NONE).experts(4))
                .isInstanceOf(ParallelException.class)
                .hasMessage("parallel.expert: 8 ranks cannot hold equal shares of 4 experts: choose one of [1, 2, 4] "
                        + "(experts are replicated between groups)");
        assertThatThrownBy(() -> new Layout(4, 0, 1, Sharding.NONE).everyone().share(6))
                .isInstanceOf(ParallelException.class)
                .hasMessage("6 cannot be divided equally among the 4 ranks of group world: choose a multiple of 4");

        assertThatThrownBy(() -> new Members("x", List.of(0, 1), 2)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void shardingLevelsIncludeThoseBefore() {
        assertThat(Sharding.GRADIENTS.includes(Sharding.OPTIMIZER)).isTrue();
        assertThat(Sharding.GRADIENTS.includes(Sharding.GRADIENTS)).isTrue();
        assertThat(Sharding.GRADIENTS.includes(Sharding.PARAMETERS)).isFalse();
    }
}
