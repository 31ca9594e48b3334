package dev.moe4j.model;

import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/**
 * Runs ranks as threads of one process, each with separate sockets and groups. c10d treats them as processes, and they
 * cost a thousandth of a process.
 */
public final class RanksInThreads {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    private RanksInThreads() {}

    /** Runs a task on every rank and returns the results in rank order. */
    public static <T> List<T> run(int world, Function<DistributedRun, T> work) {
        return each(world, environment -> process(environment, work));
    }

    /** Runs one rank: joins the others, then runs the task. */
    public static <T> T process(RankEnvironment environment, Function<DistributedRun, T> work) {
        return DistributedRun.run(environment, new RankIdentity("test", "test"), work);
    }

    /** Calls {@code rank} for every rank, which must begin with {@link #process}; returns the results in rank order. */
    public static <T> List<T> each(int world, Function<RankEnvironment, T> rank) {
        try {
            // Ranks meet through a file: a free port could be taken before rank 0 listens on it.
            Path folder = Files.createTempDirectory("moe4j-ranks-");
            Path store = folder.resolve("store");
            try {
                return each(world, store.toUri(), rank);
            } finally {
                Files.deleteIfExists(store);
                Files.delete(folder);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static <T> List<T> each(int world, URI meeting, Function<RankEnvironment, T> rank) {
        String loopback = InetAddress.getLoopbackAddress().getHostAddress();
        List<Future<T>> results = new ArrayList<>();
        try (ExecutorService threads = Executors.newThreadPerTaskExecutor(
                Thread.ofPlatform().name("rank-", 0).factory())) {
            for (int number = 0; number < world; number++) {
                RankEnvironment environment =
                        new RankEnvironment(number, world, number, world, meeting, false, loopback, TIMEOUT);
                results.add(threads.submit(() -> rank.apply(environment)));
            }
            List<T> values = new ArrayList<>();
            for (Future<T> result : results) {
                values.add(result.get());
            }
            return values;
        } catch (ExecutionException e) {
            throw e.getCause() instanceof RuntimeException failure ? failure : new IllegalStateException(e);
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
