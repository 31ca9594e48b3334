package dev.moe4j.parallel;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** What the processes of the tests do: a main class that takes the name of a scenario. */
final class RankMain {

    private static final int STEPS = 1_000_000;

    private final Processes processes;

    private RankMain(Processes processes) {
        this.processes = processes;
    }

    public static void main(String[] args) {
        String scenario = args[0];
        Environment environment = Environment.of(System.getenv());
        int rank = environment.rank();
        Identity identity = new Identity(
                rank == 1 && scenario.equals("other-code") ? "v2" : "v1",
                rank == 1 && scenario.equals("other-configuration") ? "c2" : "c1");
        try {
            Processes.run(environment, identity, processes -> {
                Libtorch.threads(1);
                new RankMain(processes).run(scenario);
                return rank;
            });
            System.out.println("done");
            System.exit(0);
        } catch (ParallelException | IllegalArgumentException | IllegalStateException e) {
            System.out.println("failed: " + e.getMessage());
            System.exit(1);
        }
    }

    private void run(String scenario) {
        try (Scope _ = Scope.open()) {
            switch (scenario) {
                case "collectives" -> {
                    collectives(DType.FLOAT32, everyone());
                    collectives(DType.BFLOAT16, everyone());
                    collectives(DType.FLOAT32, everyone().onWire(DType.BFLOAT16));
                    groups();
                    twoAtATime();
                    flat();
                }
                case "wire" -> wire();
                case "meet", "other-code", "other-configuration" -> everyone().barrier("hello");
                case "steps" -> steps(-1, () -> {});
                case "throw" ->
                    steps(3, () -> {
                        throw new IllegalStateException("the disk is full");
                    });
                case "slow" -> steps(3, () -> sleep(9_000));
                case "early-end" -> steps(3, () -> System.exit(0));
                case "other-label" -> {
                    String label = processes.rank() == 1 ? "layer 4 dispatch" : "layer 3 dispatch";
                    everyone().agree(new long[processes.world()][1], 4, DType.FLOAT32, label);
                }
                case "other-width" ->
                    everyone()
                            .agree(
                                    new long[processes.world()][1],
                                    processes.rank() == 1 ? 8 : 4,
                                    DType.FLOAT32,
                                    "layer 3 dispatch");
                default -> throw new IllegalArgumentException("no scenario: " + scenario);
            }
        }
    }

    private Group everyone() {
        return processes.group(new Layout(processes.world(), processes.rank(), 1, Sharding.NONE).everyone());
    }

    /** Exchanges without end, as training does; rank 1 does something else at one of them. */
    private void steps(int odd, Runnable act) {
        Group group = everyone();
        for (int step = 0; step < STEPS; step++) {
            if (step == odd && processes.rank() == 1) {
                act.run();
            }
            try (Scope _ = Scope.open()) {
                Tensor x = Tensor.full(1, DType.FLOAT32, Device.CPU, 8);
                group.allReduce(Reduction.SUM, x, "layer 3 dispatch").await();
            }
            if (step == 10) {
                System.out.println("at work");
            }
            sleep(5);
        }
    }

    /** How many bytes this process writes, to sockets as it happens, to exchange the same rows in each type. */
    private void wire() {
        Group group = everyone();
        int[] rows = {1024, 1024};
        int width = 1024;
        for (boolean narrow : new boolean[] {false, true}) {
            Group used = narrow ? group.onWire(DType.BFLOAT16) : group;
            for (DType type : List.of(DType.FLOAT32, DType.BFLOAT16, DType.INT64)) {
                try (Scope _ = Scope.open()) {
                    Tensor sent = Tensor.full(1, type, Device.CPU, rows[0] + rows[1], width);
                    Tensor received = sent.emptyLike();
                    Splits splits = used.agree(new long[][] {{rows[0]}, {rows[1]}}, width, type, "agree");
                    long before = written();
                    used.allToAll(received, sent, splits, "rows").await();
                    // The other has all of it before anybody looks.
                    used.barrier("arrived");
                    System.out.println((narrow ? "bf16 " : "as they are ") + type + " " + (written() - before));
                }
            }
        }
    }

    private static long written() {
        try {
            return Files.readAllLines(Path.of("/proc/self/io")).stream()
                    .filter(line -> line.startsWith("wchar: "))
                    .mapToLong(line -> Long.parseLong(line.substring("wchar: ".length())))
                    .sum();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Every collective against what it should give; values are small integers, exact in bfloat16. */
    private void collectives(DType type, Group group) {
        int world = group.members().size();
        int me = group.members().index();
        int sum = world * (world + 1) / 2;

        Tensor x = numbers(type, me + 1, 0, me);
        group.allReduce(Reduction.SUM, x, "sum").await();
        expect(x, sum, 0, sum - world);

        x = numbers(type, me + 1, -me, 3);
        group.allReduce(Reduction.MAX, x, "max").await();
        expect(x, world, 0, 3);

        x = numbers(type, me, me + 10, me + 20);
        group.broadcast(x, world - 1, "broadcast").await();
        expect(x, world - 1, world + 9, world + 19);

        Tensor whole = Tensor.zeros(type, Device.CPU, 2L * world);
        group.allGather(whole, numbers(type, me, me + 10), "gather").await();
        double[] gathered = new double[2 * world];
        for (int rank = 0; rank < world; rank++) {
            gathered[2 * rank] = rank;
            gathered[2 * rank + 1] = rank + 10;
        }
        expect(whole, gathered);

        // Member r gives r + 1 times [0, 1, 2, ...]; member i's share is entries 2i and 2i + 1.
        Tensor part = Tensor.zeros(type, Device.CPU, 2);
        double[] given = new double[2 * world];
        Arrays.setAll(given, i -> (me + 1.0) * i);
        group.reduceScatter(part, numbers(type, given), "reduce-scatter").await();
        expect(part, 2.0 * me * sum, (2.0 * me + 1) * sum);

        Tensor from = numbers(type, range(10.0 * me, world)).view(world, 1);
        Tensor into = Tensor.zeros(type, Device.CPU, world, 1);
        group.allToAll(into, from, "even").await();
        double[] even = new double[world];
        Arrays.setAll(even, rank -> 10.0 * rank + me);
        expect(into, even);

        uneven(type, group);
        nothing(type, group);
        group.barrier("barrier");
    }

    /** Member r sends r + i rows of two elements to member i, of two kinds: one row of the first, the others. */
    private static void uneven(DType type, Group group) {
        int world = group.members().size();
        int me = group.members().index();
        long[][] rows = new long[world][2];
        for (int to = 0; to < world; to++) {
            rows[to][0] = Math.min(1, me + to);
            rows[to][1] = me + to - rows[to][0];
        }
        Splits splits = group.agree(rows, 2, type, "agree");
        for (int from = 0; from < world; from++) {
            check(splits.received()[from][0] == Math.min(1, me + from), "kinds from " + from);
        }
        Tensor sent = Tensor.full(me, type, Device.CPU, splits.totalSent(), 2);
        Tensor received = Tensor.zeros(type, Device.CPU, splits.totalReceived(), 2);
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

        Tensor back = Tensor.zeros(type, Device.CPU, splits.totalSent(), 2);
        group.allToAll(back, received, splits.reversed(), "back").await();
        double[] own = new double[(int) splits.totalSent() * 2];
        Arrays.fill(own, me);
        expect(back, own);
    }

    /** Nobody sends anything but member 0, which sends one row to the last. */
    private static void nothing(DType type, Group group) {
        int world = group.members().size();
        int me = group.members().index();
        long[][] rows = new long[world][1];
        rows[world - 1][0] = me == 0 ? 1 : 0;
        Splits splits = group.agree(rows, 3, type, "agree on nothing");
        Tensor received = Tensor.zeros(type, Device.CPU, splits.totalReceived(), 3);
        group.allToAll(received, Tensor.full(7, type, Device.CPU, splits.totalSent(), 3), splits, "nothing")
                .await();
        expect(received, me == world - 1 ? new double[] {7, 7, 7} : new double[0]);
    }

    /** Expert and replica groups beside the world's. */
    private void groups() {
        Layout layout = new Layout(processes.world(), processes.rank(), 2, Sharding.NONE);
        Tensor x = numbers(DType.FLOAT32, processes.rank());
        Group experts = processes.group(layout.expertGroup());
        experts.allReduce(Reduction.SUM, x, "experts").await();
        int first = processes.rank() / 2 * 2;
        expect(x, 2 * first + 1);
        processes
                .group(layout.replicaGroup())
                .allReduce(Reduction.SUM, x, "replicas")
                .await();
        expect(x, processes.world() * (processes.world() - 1) / 2.0);
        check(processes.group(layout.expertGroup()) == experts, "one group a name");
    }

    private void twoAtATime() {
        Group group = everyone();
        Tensor a = numbers(DType.FLOAT32, 1);
        Tensor b = numbers(DType.FLOAT32, 2);
        Pending first = group.allReduce(Reduction.SUM, a, "first");
        Pending second = group.allReduce(Reduction.SUM, b, "second");
        second.await();
        first.await();
        first.await();
        expect(a, processes.world());
        expect(b, 2 * processes.world());
    }

    /** Exchanges keep no tensor. */
    private void flat() {
        long before = Scope.liveTensors();
        for (int i = 0; i < 3; i++) {
            try (Scope _ = Scope.open()) {
                collectives(DType.FLOAT32, everyone().onWire(DType.BFLOAT16));
            }
            check(Scope.liveTensors() == before, "tensors stay alive");
        }
    }

    private static Tensor numbers(DType type, double... values) {
        return Tensor.of(values).to(type);
    }

    private static double[] range(double first, int count) {
        double[] values = new double[count];
        Arrays.setAll(values, i -> first + i);
        return values;
    }

    private static void expect(Tensor tensor, double... expected) {
        check(
                Arrays.equals(tensor.toDoubles(), expected),
                Arrays.toString(tensor.toDoubles()) + " is not " + Arrays.toString(expected));
    }

    private static void check(boolean holds, String what) {
        if (!holds) {
            throw new IllegalStateException("wrong: " + what);
        }
    }

    private static void sleep(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
