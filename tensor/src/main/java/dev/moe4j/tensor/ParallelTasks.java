package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs independent tasks side by side on the CPU, as many at once as {@link Libtorch#threads()} says, each of whose
 * operations uses one thread. Many small products are faster so than one after the other on all threads, which wait for
 * each other after each; and a thread that a neighbour slows down takes fewer tasks.
 */
public final class ParallelTasks {

    private static final ExecutorService HELPERS = Executors.newCachedThreadPool(
            Thread.ofPlatform().daemon().name("tasks-", 0).factory());

    private ParallelTasks() {}

    /**
     * Calls {@code task} with each number from 0 to {@code count - 1}, lower ones first, and returns when all are done.
     * Each call has a scope of its own. A task must not run tasks.
     *
     * @throws RuntimeException what a task threw; those that had not begun by then are not run
     */
    public static void run(int count, IntConsumer task) {
        Libtorch.load();
        int threads = Math.min(count, Libtorch.threads());
        AtomicInteger next = new AtomicInteger();
        if (threads <= 1 || !NativeThreads.perThread()) {
            work(next, count, task);
            return;
        }
        List<Future<?>> helpers = new ArrayList<>();
        NativeThreads.ofOpenBlas(1);
        NativeThreads.ofThisThread(1);
        try {
            for (int i = 1; i < threads; i++) {
                helpers.add(HELPERS.submit(() -> {
                    NativeThreads.ofThisThread(1);
                    work(next, count, task);
                }));
            }
            work(next, count, task);
        } finally {
            Throwable failure = await(helpers);
            NativeThreads.ofThisThread(Libtorch.threads());
            NativeThreads.ofOpenBlas(Libtorch.threads());
            rethrow(failure);
        }
    }

    private static void work(AtomicInteger next, int count, IntConsumer task) {
        boolean done = false;
        try {
            for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                try (Scope _ = Scope.open()) {
                    task.accept(i);
                }
            }
            done = true;
        } finally {
            if (!done) {
                next.set(count);
            }
        }
    }

    /** Waits for all, since they use the caller's tensors; returns what went wrong in one. */
    private static @Nullable Throwable await(List<Future<?>> helpers) {
        Throwable failure = null;
        boolean interrupted = false;
        for (Future<?> helper : helpers) {
            for (boolean waiting = true; waiting; ) {
                try {
                    helper.get();
                    waiting = false;
                } catch (InterruptedException e) {
                    interrupted = true;
                } catch (ExecutionException e) {
                    failure = e.getCause();
                    waiting = false;
                }
            }
        }
        if (interrupted) {
            Thread.currentThread().interrupt();
        }
        return failure;
    }

    private static void rethrow(@Nullable Throwable failure) {
        switch (failure) {
            case null -> {}
            case RuntimeException e -> throw e;
            case Error e -> throw e;
            default -> throw new TensorException("a task failed", failure);
        }
    }
}
