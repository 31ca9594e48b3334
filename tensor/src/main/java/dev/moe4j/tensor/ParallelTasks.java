package dev.moe4j.tensor;

import dev.moe4j.tensor.cpu.NativeThreads;
import dev.moe4j.tensor.cpu.OpenMpRegion;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs independent tasks side by side on the CPU, as many at once as {@link Libtorch#threads()} says, each of whose
 * operations uses one thread. Many small products are faster so than one after the other on all threads, which wait for
 * each other after each; and a thread that a neighbour slows down takes fewer tasks.
 *
 * <p>They run on the threads that libtorch's operations use. Others would compete for the cores with these, which stay
 * awake for a while after each operation.
 */
public final class ParallelTasks {

    private ParallelTasks() {}

    /**
     * Calls {@code task} with each number from 0 to {@code count - 1}, lower ones first, and returns when all are done.
     * Each call has a scope of its own. Tasks that a task runs take that task's thread.
     *
     * @throws RuntimeException what a task threw; those that had not begun by then are not run
     */
    public static void run(int count, IntConsumer task) {
        Libtorch.load();
        int threads = Libtorch.threads();
        AtomicInteger next = new AtomicInteger();
        if (Math.min(count, threads) <= 1 || !inParallel()) {
            work(next, count, task);
            return;
        }
        AtomicReference<@Nullable Throwable> failure = new AtomicReference<>();
        // As many threads as operations use, even if tasks are fewer: OpenMP would end those that are left over.
        OpenMpRegion.run(threads, () -> {
            try {
                NativeThreads.ofThisThread(1);
                Libtorch.asOneThread(() -> {
                    work(next, count, task);
                    return null;
                });
            } catch (Throwable e) {
                next.set(count);
                failure.compareAndSet(null, e);
            }
        });
        rethrow(failure.get());
    }

    /** Whether this machine can run tasks in parallel. */
    static boolean inParallel() {
        return NativeThreads.perThread() && OpenMpRegion.available();
    }

    private static void work(AtomicInteger next, int count, IntConsumer task) {
        for (int i = next.getAndIncrement(); i < count; i = next.getAndIncrement()) {
            try (Scope _ = Scope.open()) {
                task.accept(i);
            }
        }
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
