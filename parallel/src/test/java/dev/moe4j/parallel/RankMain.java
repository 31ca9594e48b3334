package dev.moe4j.parallel;

import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.layout.AllToAllSplits;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.ParallelException;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** The main class of the test processes. Its first argument names the scenario to run. */
final class RankMain {

    private static final int STEPS = 1_000_000;

    private final DistributedRun processes;

    private RankMain(DistributedRun processes) {
        this.processes = processes;
    }

    public static void main(String[] args) {
        String scenario = args[0];
        RankEnvironment environment = RankEnvironment.of(System.getenv());
        int rank = environment.rank();
        RankIdentity identity = new RankIdentity(
                rank == 1 && scenario.equals("other-code") ? "v2" : "v1",
                rank == 1 && scenario.equals("other-configuration") ? "c2" : "c1");
        Libtorch.load();
        System.err.println(Ranks.READY);
        Ranks.awaitGo();
        try {
            DistributedRun.run(environment, identity, processes -> {
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
                    CollectivesCheck.all(DType.FLOAT32, Device.CPU, everyone());
                    CollectivesCheck.all(DType.BFLOAT16, Device.CPU, everyone());
                    CollectivesCheck.all(DType.FLOAT32, Device.CPU, everyone().onWire(DType.BFLOAT16));
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
                case "late-write" -> {
                    try {
                        steps(3, () -> {
                            throw new IllegalStateException("the disk is full");
                        });
                    } catch (ParallelException e) {
                        sleep(3_000);
                        write(Ranks.written());
                        throw e;
                    }
                }
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

    private ProcessGroup everyone() {
        return processes.group(new Layout(processes.world(), processes.rank(), 1, Sharding.NONE).everyone());
    }

    /** Runs collectives in an endless loop, like training. Rank 1 runs {@code act} instead of one of them. */
    private void steps(int odd, Runnable act) {
        ProcessGroup group = everyone();
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

    /** Prints the bytes that this process writes to sockets for the same rows in each wire type. */
    private void wire() {
        ProcessGroup group = everyone();
        int[] rows = {1024, 1024};
        int width = 1024;
        for (boolean narrow : new boolean[] {false, true}) {
            ProcessGroup used = narrow ? group.onWire(DType.BFLOAT16) : group;
            for (DType type : List.of(DType.FLOAT32, DType.BFLOAT16, DType.INT64)) {
                try (Scope _ = Scope.open()) {
                    Tensor sent = Tensor.full(1, type, Device.CPU, rows[0] + rows[1], width);
                    Tensor received = sent.emptyLike();
                    AllToAllSplits splits = used.agree(new long[][] {{rows[0]}, {rows[1]}}, width, type, "agree");
                    long before = written();
                    used.allToAll(received, sent, splits, "rows").await();
                    // The other rank has received everything before the counter is read.
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

    /** Uses expert parallel and replica groups as well as the group of all ranks. */
    private void groups() {
        Layout layout = new Layout(processes.world(), processes.rank(), 2, Sharding.NONE);
        Tensor x = Tensor.of((float) processes.rank());
        ProcessGroup experts = processes.group(layout.expertGroup());
        experts.allReduce(Reduction.SUM, x, "experts").await();
        int first = processes.rank() / 2 * 2;
        CollectivesCheck.expect(x, 2 * first + 1);
        processes
                .group(layout.replicaGroup())
                .allReduce(Reduction.SUM, x, "replicas")
                .await();
        CollectivesCheck.expect(x, processes.world() * (processes.world() - 1) / 2.0);
        CollectivesCheck.check(processes.group(layout.expertGroup()) == experts, "one group a name");
    }

    private void twoAtATime() {
        ProcessGroup group = everyone();
        Tensor a = Tensor.of(1f);
        Tensor b = Tensor.of(2f);
        PendingCollective first = group.allReduce(Reduction.SUM, a, "first");
        PendingCollective second = group.allReduce(Reduction.SUM, b, "second");
        second.await();
        first.await();
        first.await();
        CollectivesCheck.expect(a, processes.world());
        CollectivesCheck.expect(b, 2 * processes.world());
    }

    /** Collectives must not leak tensors. */
    private void flat() {
        long before = Scope.liveTensors();
        for (int i = 0; i < 3; i++) {
            try (Scope _ = Scope.open()) {
                CollectivesCheck.all(DType.FLOAT32, Device.CPU, everyone().onWire(DType.BFLOAT16));
            }
            CollectivesCheck.check(Scope.liveTensors() == before, "tensors stay alive");
        }
    }

    private static void write(Path file) {
        try {
            Files.createFile(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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
