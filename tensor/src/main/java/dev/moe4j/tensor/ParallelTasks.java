package dev.moe4j.tensor;

import dev.moe4j.tensor.cpu.NativeThreads;
import dev.moe4j.tensor.cpu.OpenMpRegion;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * Runs independent tasks in parallel on up to {@link Libtorch#threads()} threads of the CPU. Each task's operations use one
 * thread. For many small matrix products this is faster than running each product on all threads, which would synchronize
 * after each product. Threads take tasks dynamically, so a thread that is slowed down by other load takes fewer.
 *
 * <p>Tasks run on libtorch's own OpenMP threads. Additional threads would compete with these for the cores, because OpenMP
 * threads keep spinning for a while after each operation.
 */
public final class ParallelTasks {

    private ParallelTasks() {}

    /**
     * Calls {@code task} with each number from 0 to {@code count - 1} in ascending order, and returns when all calls have
     * ended. Each call runs in a separate scope. Nested tasks run on the thread of the outer task.
     *
     * @throws RuntimeException the first exception of a task; tasks that had not started by then do not run
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
        // Always the same number of threads, even for fewer tasks: OpenMP would end the surplus threads.
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

    /** Whether this platform can run tasks in parallel. */
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
