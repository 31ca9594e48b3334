package dev.moe4j.train;

import dev.moe4j.train.config.TrainException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Prepares the next step's input on a background thread while the current step runs.
 *
 * <p>The input depends only on the step number. It is therefore the same whether it was prefetched or made on demand,
 * also if steps are skipped or repeated. A failure is thrown when the failing step's input is taken; it is dropped if
 * that step is never taken.
 */
final class Prefetch<T> {

    private final LongFunction<T> make;
    private long next;
    private @Nullable FutureTask<T> made;
    private long waited;

    Prefetch(LongFunction<T> make) {
        this.make = make;
    }

    /** Returns a step's input and starts to prepare the next one. */
    T take(long step) {
        FutureTask<T> ready = made;
        if (ready == null || next != step) {
            ready = start(step);
        }
        long begin = System.nanoTime();
        T result = get(ready);
        waited += System.nanoTime() - begin;
        next = step + 1;
        made = start(next);
        return result;
    }

    private FutureTask<T> start(long step) {
        FutureTask<T> task = new FutureTask<>(() -> make.apply(step));
        Thread.ofPlatform().daemon().name("data").start(task);
        return task;
    }

    private static <T> T get(FutureTask<T> task) {
        try {
            return task.get();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new TrainException("interrupted while waiting for data; resume the run", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }

    /** Returns the seconds spent waiting since the previous call. */
    double takeWaitedSeconds() {
        double seconds = waited / 1e9;
        waited = 0;
        return seconds;
    }
}
