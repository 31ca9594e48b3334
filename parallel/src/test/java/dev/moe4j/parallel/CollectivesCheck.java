package dev.moe4j.parallel;

import dev.moe4j.parallel.layout.AllToAllSplits;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;

/** Checks of all collectives that work on any device. The values are small integers, which bfloat16 represents exactly. */
public final class CollectivesCheck {

    private CollectivesCheck() {}

    /** Compares the result of every collective with the expected one. */
    public static void all(DType type, Device device, ProcessGroup group) {
        int world = group.members().size();
        int me = group.members().index();
        int sum = world * (world + 1) / 2;

        Tensor x = numbers(type, device, me + 1, 0, me);
        group.allReduce(Reduction.SUM, x, "sum").await();
        expect(x, sum, 0, sum - world);

        x = numbers(type, device, me, me + 10, me + 20);
        group.broadcast(x, world - 1, "broadcast").await();
        expect(x, world - 1, world + 9, world + 19);

        Tensor whole = Tensor.zeros(type, device, 2L * world);
        group.allGather(whole, numbers(type, device, me, me + 10), "gather").await();
        double[] gathered = new double[2 * world];
        for (int rank = 0; rank < world; rank++) {
            gathered[2 * rank] = rank;
            gathered[2 * rank + 1] = rank + 10;
        }
        expect(whole, gathered);

        // Member r contributes r + 1 times [0, 1, 2, ...]. Member i's shard has the entries 2i and 2i + 1.
        Tensor part = Tensor.zeros(type, device, 2);
        double[] given = new double[2 * world];
        Arrays.setAll(given, i -> (me + 1.0) * i);
        group.reduceScatter(part, numbers(type, device, given), "reduce-scatter")
                .await();
        expect(part, 2.0 * me * sum, (2.0 * me + 1) * sum);

        Tensor from = numbers(type, device, range(10.0 * me, world)).view(world, 1);
        Tensor into = Tensor.zeros(type, device, world, 1);
        group.allToAll(into, from, "even").await();
        double[] even = new double[world];
        Arrays.setAll(even, rank -> 10.0 * rank + me);
        expect(into, even);

        uneven(type, device, group);
        nothing(type, device, group);
        group.barrier("barrier");
    }

    /** Member r sends r + i rows of two elements to member i: one row of the first kind, the rest of the second. */
    private static void uneven(DType type, Device device, ProcessGroup group) {
        int world = group.members().size();
        int me = group.members().index();
        long[][] rows = new long[world][2];
        for (int to = 0; to < world; to++) {
            rows[to][0] = Math.min(1, me + to);
            rows[to][1] = me + to - rows[to][0];
        }
        AllToAllSplits splits = group.agree(rows, 2, type, "agree");
        for (int from = 0; from < world; from++) {
            check(splits.received()[from][0] == Math.min(1, me + from), "kinds from " + from);
        }
        Tensor sent = Tensor.full(me, type, device, splits.totalSent(), 2);
        Tensor received = Tensor.zeros(type, device, splits.totalReceived(), 2);
        group.allToAll(received, sent, splits, "uneven").await();
        double[] expected = new double[(int) splits.totalReceived() * 2];
        int next = 0;
        for (int from = 0; from < world; from++) {
            for (int i = 0; i < 2 * (from + me); i++) {
                expected[next++] = from;
            }
        }
        check(next == expected.length, "rows received");
        expect(received, expected);

        Tensor back = Tensor.zeros(type, device, splits.totalSent(), 2);
        group.allToAll(back, received, splits.reversed(), "back").await();
        double[] own = new double[(int) splits.totalSent() * 2];
        Arrays.fill(own, me);
        expect(back, own);
    }

    /** Only member 0 sends: one row to the last member. */
    private static void nothing(DType type, Device device, ProcessGroup group) {
        int world = group.members().size();
        int me = group.members().index();
        long[][] rows = new long[world][1];
        rows[world - 1][0] = me == 0 ? 1 : 0;
        AllToAllSplits splits = group.agree(rows, 3, type, "agree on nothing");
        Tensor received = Tensor.zeros(type, device, splits.totalReceived(), 3);
        group.allToAll(received, Tensor.full(7, type, device, splits.totalSent(), 3), splits, "nothing")
                .await();
        expect(received, me == world - 1 ? new double[] {7, 7, 7} : new double[0]);
    }

    private static Tensor numbers(DType type, Device device, double... values) {
        return Tensor.of(values).to(type).to(device);
    }

    private static double[] range(double first, int count) {
        double[] values = new double[count];
        Arrays.setAll(values, i -> first + i);
        return values;
    }

    static void expect(Tensor tensor, double... expected) {
        check(
                Arrays.equals(tensor.toDoubles(), expected),
                Arrays.toString(tensor.toDoubles()) + " is not " + Arrays.toString(expected));
    }

    static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("wrong: " + what);
        }
    }
}
