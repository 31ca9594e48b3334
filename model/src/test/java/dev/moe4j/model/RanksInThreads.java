package dev.moe4j.model;

import dev.moe4j.parallel.Processes;
import dev.moe4j.parallel.health.Identity;
import dev.moe4j.parallel.rendezvous.Environment;
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
 * Ranks as threads of one process, each with sockets and groups of its own: as far as c10d is concerned these are
 * processes, and they cost a thousandth.
 */
public final class RanksInThreads {

    private static final Duration TIMEOUT = Duration.ofSeconds(60);

    private RanksInThreads() {}

    /** Lets every rank do that; returns what each gives, in their order. */
    public static <T> List<T> run(int world, Function<Processes, T> work) {
        return each(world, environment -> process(environment, work));
    }

    /** One rank: meets the others and does that. */
    public static <T> T process(Environment environment, Function<Processes, T> work) {
        return Processes.run(environment, new Identity("test", "test"), work);
    }

    /** Calls {@code rank} for every rank, which is to begin with {@link #process}; returns the results in order of ranks. */
    public static <T> List<T> each(int world, Function<Environment, T> rank) {
        try {
            // They meet at a file of their own: a port that is free now may be taken when rank 0 comes to listen there.
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

    private static <T> List<T> each(int world, URI meeting, Function<Environment, T> rank) {
        String loopback = InetAddress.getLoopbackAddress().getHostAddress();
        List<Future<T>> results = new ArrayList<>();
        try (ExecutorService threads = Executors.newThreadPerTaskExecutor(
                Thread.ofPlatform().name("rank-", 0).factory())) {
            for (int number = 0; number < world; number++) {
                Environment environment =
                        new Environment(number, world, number, world, meeting, false, loopback, TIMEOUT);
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
