package dev.moe4j.study.steps;

import java.util.List;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Runs several trainings in parallel threads. If one fails, the others are asked to stop. */
public final class ConcurrentRuns {

    private ConcurrentRuns() {}

    /**
     * One training.
     *
     * @param name the model's name, for messages
     * @param work trains; polls the supplier and ends when it returns true
     */
    public record Run(String name, Consumer<BooleanSupplier> work) {}

    private record Ended(Run run, @Nullable Throwable failure) {}

    /**
     * Runs all trainings and returns when they have ended. The exception of a failed run is rethrown.
     *
     * @param runs the trainings
     * @param log receives one line if a run fails
     * @param everySecond called about once a second while trainings run
     * @throws StudyException if this thread is interrupted
     */
    public static void run(List<Run> runs, Consumer<String> log, Runnable everySecond) {
        AtomicBoolean stop = new AtomicBoolean();
        BlockingQueue<Ended> ended = new LinkedBlockingQueue<>();
        try (ExecutorService pool = Executors.newFixedThreadPool(runs.size())) {
            try {
                runs.forEach(run -> pool.execute(() -> ended.add(end(run, stop::get))));
                awaitAll(runs.size(), ended, log, everySecond);
            } finally {
                stop.set(true);
            }
        }
    }

    private static Ended end(Run run, BooleanSupplier stop) {
        try {
            run.work.accept(stop);
            return new Ended(run, null);
        } catch (RuntimeException | Error e) {
            return new Ended(run, e);
        }
    }

    private static void awaitAll(int count, BlockingQueue<Ended> ended, Consumer<String> log, Runnable everySecond) {
        int running = count;
        while (running > 0) {
            Ended next = poll(ended);
            if (next == null) {
                everySecond.run();
                continue;
            }
            running--;
            if (next.failure != null) {
                log.accept("the training of the " + next.run.name + " model failed: "
                        + Objects.requireNonNullElse(next.failure.getMessage(), next.failure)
                        + (running > 0 ? "; the other training ends now" : ""));
                if (next.failure instanceof Error error) {
                    throw error;
                }
                throw (RuntimeException) next.failure;
            }
        }
    }

    private static @Nullable Ended poll(BlockingQueue<Ended> ended) {
        try {
            return ended.poll(1, TimeUnit.SECONDS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StudyException("training was interrupted", e);
        }
    }
}
