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
 * Runs tasks on many threads and hands their results over in submission order, on the submitting thread. The outcome
 * therefore does not depend on the number of threads. At most {@code 2 × threads + 2} tasks are pending.
 *
 * @param <T> the result of a task
 */
public final class OrderedExecutor<T> implements AutoCloseable {
    private final ExecutorService threads;
    private final Consumer<T> out;
    private final int window;
    private final Deque<Future<T>> pending = new ArrayDeque<>();

    /**
     * Starts the threads.
     *
     * @param name the prefix of the thread names
     * @param out receives the results
     */
    public OrderedExecutor(String name, int threads, Consumer<T> out) {
        this.threads = Executors.newFixedThreadPool(
                threads, Thread.ofPlatform().daemon().name(name + "-", 0).factory());
        this.out = out;
        this.window = 2 * threads + 2;
    }

    /**
     * Submits a task. If the limit of pending tasks is reached, this first waits for the oldest result.
     *
     * @throws DataException if the thread is interrupted while it waits
     */
    public void add(Callable<T> work) {
        if (pending.size() == window) {
            takeOldest();
        }
        pending.addLast(threads.submit(work));
    }

    /**
     * Waits for all pending results and hands them over.
     *
     * @throws DataException if the thread is interrupted while it waits
     */
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

    /** Stops the threads and waits for them to end. */
    @Override
    public void close() {
        threads.shutdownNow();
        threads.close();
    }
}
