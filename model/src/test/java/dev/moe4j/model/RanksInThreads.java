package dev.moe4j.model;

import dev.moe4j.parallel.Environment;
import dev.moe4j.parallel.FreePort;
import dev.moe4j.parallel.Identity;
import dev.moe4j.parallel.Processes;
import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Function;

/**
 * Ranks as threads of one process, each with sockets and groups of its own: as far as c10d is concerned these are
 * processes, and they cost a thousandth.
 */
public final class RanksInThreads {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    private RanksInThreads() {}

    /** Lets every rank do that; returns what each gives, in their order. */
    public static <T> List<T> run(int world, Function<Processes, T> work) {
        URI meeting = URI.create("tcp://127.0.0.1:" + FreePort.find());
        List<Future<T>> results = new ArrayList<>();
        try (ExecutorService threads = Executors.newThreadPerTaskExecutor(
                Thread.ofPlatform().name("rank-", 0).factory())) {
            for (int rank = 0; rank < world; rank++) {
                Environment environment = new Environment(rank, world, rank, world, meeting, "", TIMEOUT);
                results.add(threads.submit(() -> Processes.run(environment, new Identity("test", "test"), work)));
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
