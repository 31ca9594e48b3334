package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
        List<CompletableFuture<Void>> helpers = new ArrayList<>();
        NativeThreads.ofOpenBlas(1);
        NativeThreads.ofThisThread(1);
        try {
            for (int i = 1; i < threads; i++) {
                helpers.add(CompletableFuture.runAsync(
                        () -> {
                            NativeThreads.ofThisThread(1);
                            work(next, count, task);
                        },
                        HELPERS));
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
        try {
            for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
                try (Scope _ = Scope.open()) {
                    task.accept(i);
                }
            }
        } catch (RuntimeException | Error e) {
            next.set(count);
            throw e;
        }
    }

    /** Waits for all, since they use the caller's tensors; returns what went wrong in one. */
    private static @Nullable Throwable await(List<CompletableFuture<Void>> helpers) {
        Throwable failure = null;
        for (CompletableFuture<Void> helper : helpers) {
            try {
                helper.join();
            } catch (CompletionException e) {
                failure = e.getCause();
            }
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
