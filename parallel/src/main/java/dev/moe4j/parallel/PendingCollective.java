package dev.moe4j.parallel;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.parallel.health.CollectiveId;
import dev.moe4j.parallel.health.ExchangeProgress;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.tensor.Scope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Work;
import org.jspecify.annotations.Nullable;

/**
 * A collective that has started and may not have finished. Its tensors must not be read or written before {@link #await}
 * returns. Every collective must be awaited, on the thread that started it. Several collectives may run concurrently if
 * all members start them in the same order.
 */
public final class PendingCollective {

    /** A collective that needs waiting for. */
    private record Running(
            CollectiveId exchange,
            FailureDetector detector,
            Work work,
            boolean onDevice,
            Scope temporaries,
            Runnable completion) {}

    private @Nullable Running running;

    private PendingCollective(@Nullable Running running) {
        this.running = running;
    }

    /** Returns a collective that has already finished. */
    static PendingCollective done() {
        return new PendingCollective(null);
    }

    /**
     * @param onDevice whether a GPU stream waits for it instead of the host
     * @param temporaries tensors that live until the collective has finished
     * @param completion turns the received data into the result
     */
    static PendingCollective of(
            CollectiveId exchange,
            FailureDetector detector,
            Work work,
            boolean onDevice,
            Scope temporaries,
            Runnable completion) {
        return new PendingCollective(new Running(exchange, detector, work, onDevice, temporaries, completion));
    }

    /**
     * Waits for the collective. On the CPU the host blocks until the result is available. On a GPU the current stream
     * waits, and the host continues. A second call returns immediately.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if the collective exceeds the run's timeout or a rank is lost;
     *     the message names the rank at fault
     */
    public void await() {
        Running now = running;
        if (now == null) {
            return;
        }
        running = null;
        ExchangeProgress progress = now.detector().progress();
        progress.startWaiting(now.exchange().label());
        try {
            if (now.onDevice()) {
                holdStream(now.exchange(), now.detector(), now.work());
            } else {
                waitFor(now.exchange(), now.detector(), now.work());
            }
            now.completion().run();
        } finally {
            progress.stopWaiting(now.exchange().label());
            now.temporaries().close();
            now.work().close();
        }
    }

    /**
     * Makes the GPU stream wait, without a timeout. NCCL would treat a timeout as the collective's limit and abort the
     * collective.
     */
    private static void holdStream(CollectiveId exchange, FailureDetector detector, Work work) {
        detector.throwIfReported(exchange, 0);
        try {
            work._wait();
        } catch (RuntimeException e) {
            throw detector.failure(exchange, 0, FirstLine.of(e), e);
        }
    }

    private static void waitFor(CollectiveId exchange, FailureDetector detector, Work work) {
        long start = System.nanoTime();
        try (Milliseconds look = new Milliseconds(Peers.POLL_MILLIS)) {
            while (true) {
                try {
                    work._wait(look);
                    return;
                } catch (RuntimeException e) {
                    double seconds = (System.nanoTime() - start) / 1e9;
                    detector.throwIfReported(exchange, seconds);
                    if (!work.isCompleted()) {
                        if (seconds * 1e3 > detector.timeout().toMillis()) {
                            throw detector.failure(exchange, seconds, "", e);
                        }
                    } else if (!work.isSuccess()) {
                        throw detector.failure(exchange, seconds, FirstLine.of(e), e);
                    }
                }
            }
        }
    }
}
