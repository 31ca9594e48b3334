package dev.moe4j.parallel;

import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.launch.LauncherWatch;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** A command for a launcher. Its first argument names the scenario to run. */
public final class LaunchedMain {

    /** Longer than the timeout of any test. */
    private static final long LONG_MILLIS = 600_000;

    private LaunchedMain() {}

    public static void main(String[] args) throws IOException, InterruptedException {
        LauncherWatch.start(System.getenv());
        RankEnvironment environment = RankEnvironment.of(System.getenv());
        int rank = environment.rank();
        switch (args[0]) {
            case "environment" -> {
                System.out.println(environment);
                System.out.println(
                        "threads " + System.getenv("OMP_NUM_THREADS") + " " + System.getenv("OPENBLAS_NUM_THREADS"));
                System.err.println("on stderr " + rank);
            }
            // The first attempt fails at rank 1, and the launcher ends rank 0.
            case "once" -> {
                System.out.println(String.join(" ", args).replace(args[1], "FOLDER"));
                if (!Arrays.asList(args).contains("--resume")) {
                    if (rank == 1) {
                        System.out.println("the disk is full");
                        System.exit(1);
                    }
                    Thread.sleep(LONG_MILLIS);
                }
            }
            case "wrong-usage" -> System.exit(2);
            case "wait" -> {
                Files.writeString(
                        Path.of(args[1], "pid-" + rank),
                        String.valueOf(ProcessHandle.current().pid()));
                System.out.println("waiting");
                Thread.sleep(LONG_MILLIS);
            }
            // One all-reduce that sums the ranks.
            case "sum" -> {
                double sum = DistributedRun.run(environment, new RankIdentity("v1", "c1"), processes -> {
                    try (Scope _ = Scope.open()) {
                        Layout layout = new Layout(processes.world(), rank, 1, Sharding.NONE);
                        Tensor x = Tensor.full(rank, DType.FLOAT64, Device.CPU, 1);
                        processes
                                .group(layout.everyone())
                                .allReduce(Reduction.SUM, x, "sum")
                                .await();
                        return x.item();
                    }
                });
                System.out.println("rank " + rank + " of " + environment.world() + " sum " + sum);
                System.exit(0);
            }
            default -> throw new IllegalArgumentException(args[0]);
        }
    }
}
