package dev.moe4j.train;

import dev.moe4j.train.config.TrainException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.function.LongFunction;
import org.jspecify.annotations.Nullable;

/**
 * Makes what the next step needs while this one runs, on a thread of its own. What is made depends on the step's number
 * only, so it is the same as if it were made when it is asked for, whatever step comes first or is asked for again. What
 * making throws is thrown to whoever asks for that step, and to nobody if it never comes.
 */
final class Prefetch<T> {

    private final LongFunction<T> make;
    private long next;
    private @Nullable FutureTask<T> made;
    private long waited;

    Prefetch(LongFunction<T> make) {
        this.make = make;
    }

    /** What a step needs; begins with the one after. */
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
            throw new TrainException("interrupted while waiting for data; run it again with --resume", e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case RuntimeException cause -> throw cause;
                case Error cause -> throw cause;
                case null, default -> throw new IllegalStateException(e);
            }
        }
    }

    /** Seconds that were waited since this was asked before. */
    double takeWaitedSeconds() {
        double seconds = waited / 1e9;
        waited = 0;
        return seconds;
    }
}
