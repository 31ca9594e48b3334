package dev.moe4j.text;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;

/**
 * Work on many threads whose results are taken on the thread that gives it, in the order in which it was given: what
 * comes of it does not depend on the number of threads. {@code 2 × threads + 2} pieces of work are on their way at most.
 *
 * @param <T> a result
 */
public final class OrderedExecutor<T> implements AutoCloseable {
    private final ExecutorService threads;
    private final Consumer<T> out;
    private final int window;
    private final Deque<Future<T>> pending = new ArrayDeque<>();

    /** Starts the threads. */
    public OrderedExecutor(String name, int threads, Consumer<T> out) {
        this.threads = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name(name + "-", 0).factory());
        this.out = out;
        this.window = 2 * threads + 2;
    }

    /** Gives work; takes the oldest result first if too much is on its way. */
    public void add(Callable<T> work) {
        if (pending.size() == window) {
            takeOldest();
        }
        pending.addLast(threads.submit(work));
    }

    /** Takes the results that are left. */
    public void finish() {
        while (!pending.isEmpty()) {
            takeOldest();
        }
    }

    private void takeOldest() {
        T result;
        try {
            result = pending.removeFirst().get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new DataException("interrupted; run it again", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
        out.accept(result);
    }

    /** Stops the threads, and waits until they have. */
    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }
}
