package dev.moe4j.parallel;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.parallel.health.Exchange;
import dev.moe4j.parallel.health.Journal;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.tensor.Scope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.Work;
import org.jspecify.annotations.Nullable;

/**
 * A collective under way. Its tensors must not be read or written until {@link #await} returns, and every one must be
 * awaited, on the thread that began it. Several may be under way, in the same order on all members.
 */
public final class Pending {

    /** What is waited for, and what is done with what came. */
    private record Running(
            Exchange exchange,
            FailureDetector watch,
            Work work,
            boolean onDevice,
            Scope temporaries,
            Runnable completion) {}

    private @Nullable Running running;

    private Pending(@Nullable Running running) {
        this.running = running;
    }

    /** An exchange that has nothing to wait for. */
    static Pending done() {
        return new Pending(null);
    }

    /**
     * @param onDevice whether a GPU's stream waits for it, and not the host
     * @param temporaries tensors that live as long as the exchange
     * @param completion turns what came into the result
     */
    static Pending of(
            Exchange exchange,
            FailureDetector watch,
            Work work,
            boolean onDevice,
            Scope temporaries,
            Runnable completion) {
        return new Pending(new Running(exchange, watch, work, onDevice, temporaries, completion));
    }

    /**
     * Waits until the result is there, on a GPU until what its stream does next has it; nothing if it was awaited before.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if it does not come within the run's timeout, or a rank is lost; it names the rank
     */
    public void await() {
        Running now = running;
        if (now == null) {
            return;
        }
        running = null;
        Journal journal = now.watch().journal();
        journal.waitsIn(now.exchange().label());
        try {
            if (now.onDevice()) {
                holdStream(now.exchange(), now.watch(), now.work());
            } else {
                waitFor(now.exchange(), now.watch(), now.work());
            }
            now.completion().run();
        } finally {
            journal.worksAfter(now.exchange().label());
            now.temporaries().close();
            now.work().close();
        }
    }

    /**
     * Lets the device's stream wait. NCCL takes a wait with a time for the exchange's own limit: it would abort what is not
     * done by then.
     */
    private static void holdStream(Exchange exchange, FailureDetector watch, Work work) {
        watch.checkTold(exchange, 0);
        try {
            work._wait();
        } catch (RuntimeException e) {
            throw watch.failure(exchange, 0, FirstLine.of(e), e);
        }
    }

    private static void waitFor(Exchange exchange, FailureDetector watch, Work work) {
        long start = System.nanoTime();
        try (Milliseconds look = new Milliseconds(Peers.LOOK_MILLIS)) {
            while (true) {
                try {
                    work._wait(look);
                    return;
                } catch (RuntimeException e) {
                    double seconds = (System.nanoTime() - start) / 1e9;
                    watch.checkTold(exchange, seconds);
                    if (!work.isCompleted()) {
                        if (seconds * 1e3 > watch.timeout().toMillis()) {
                            throw watch.failure(exchange, seconds, "", e);
                        }
                    } else if (!work.isSuccess()) {
                        throw watch.failure(exchange, seconds, FirstLine.of(e), e);
                    }
                }
            }
        }
    }
}
