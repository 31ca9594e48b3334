package dev.moe4j.parallel;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.layout.AllToAllSplits;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** A run of one process must behave like a run of many processes. */
class SingleProcessTest {

    private static ProcessGroup alone() {
        return DistributedRun.run(RankEnvironment.of(Map.of()), new RankIdentity("v1", "c1"), processes -> {
            assertThat(processes.rank()).isZero();
            assertThat(processes.world()).isEqualTo(1);
            return processes.group(Layout.SINGLE.expertGroup());
        });
    }

    @Test
    void exchangesWithItself() {
        ProcessGroup group = alone();
        try (Scope _ = Scope.open()) {
            Tensor x = Tensor.of(1f, 2f);
            group.allReduce(Reduction.SUM, x, "sum").await();
            group.broadcast(x, 0, "broadcast").await();
            group.barrier("barrier");
            assertThat(x.toFloats()).containsExactly(1, 2);

            Tensor y = x.emptyLike();
            group.allGather(y, x, "gather").await();
            assertThat(y.toFloats()).containsExactly(1, 2);
            group.reduceScatter(y, Tensor.of(3f, 4f), "reduce-scatter").await();
            assertThat(y.toFloats()).containsExactly(3, 4);
            group.allToAll(y, x, "even").await();
            assertThat(y.toFloats()).containsExactly(1, 2);

            AllToAllSplits splits =
                    group.onWire(DType.BFLOAT16).agree(new long[][] {{1, 0, 1}}, 1, DType.FLOAT32, "agree");
            assertThat(splits.rowBytes()).isEqualTo(2);
            assertThat(splits.reversed().rowsReceived()).containsExactly(2);
            group.onWire(DType.BFLOAT16)
                    .allToAll(y, Tensor.of(5f, 6f), splits, "uneven")
                    .await();
            assertThat(y.toFloats()).containsExactly(5, 6);
        }
    }

    @Test
    void whatDoesNotFitIsRefusedBeforeItIsSent() {
        ProcessGroup group = alone();
        try (Scope _ = Scope.open()) {
            Tensor x = Tensor.of(1f, 2f, 3f, 4f).view(2, 2);
            assertThatThrownBy(() -> group.broadcast(x.t(), 0, "x"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("float32[2, 2]: collectives take contiguous tensors on one device");
            assertThatThrownBy(() -> group.allGather(x, Tensor.of(1f), "layer 1"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("'layer 1': float32[2, 2] is not 1 times float32[1]");
            assertThatThrownBy(() -> group.allToAll(x, Tensor.of(1f), "layer 1"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("allToAll 'layer 1': float32[1] to float32[2, 2] among 1 members");
            assertThatThrownBy(() -> group.agree(new long[2][1], 2, DType.FLOAT32, "layer 1"))
                    .isInstanceOf(IllegalArgumentException.class);
            AllToAllSplits splits = group.agree(new long[][] {{3}}, 2, DType.FLOAT32, "layer 1");
            assertThatThrownBy(() -> group.allToAll(x, x, splits, "layer 1"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("'layer 1': the row counts require 3 rows of 8 bytes to send, not float32[2, 2]");
        }
    }

    @Test
    void oneGroupAName() {
        DistributedRun.run(RankEnvironment.of(Map.of()), new RankIdentity("v1", "c1"), processes -> {
            ProcessGroup group = processes.group(Layout.SINGLE.everyone());
            assertThat(processes.group(Layout.SINGLE.everyone())).isSameAs(group);
            assertThatThrownBy(() -> processes.group(new Members("world", List.of(0, 1), 0)))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageStartingWith("two groups are called world");
            return 0;
        });
    }
}
