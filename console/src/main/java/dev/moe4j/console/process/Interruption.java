package dev.moe4j.console.process;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.LoggerFactory;

/**
 * Makes Ctrl-C and SIGTERM a request: work asks {@link #requested} between steps and ends in good order, and the process
 * waits for it. Until {@link #heed}, or until it is asked for the first time, they end the process at once: what reads inputs
 * or waits for other processes beforehand does not ask.
 */
public final class Interruption implements AutoCloseable {

    /** A step and the writing of a checkpoint should be done by then. */
    private static final long PATIENCE_MINUTES = 10;

    private final CountDownLatch done = new CountDownLatch(1);
    private final Thread hook = new Thread(this::ask, "interruption");
    private final List<Runnable> listeners = new ArrayList<>();
    private boolean heeded;
    private volatile boolean requested;

    public Interruption() {}

    private void ask() {
        request().forEach(Runnable::run);
        try {
            if (!done.await(PATIENCE_MINUTES, TimeUnit.MINUTES)) {
                LoggerFactory.getLogger(Interruption.class)
                        .warn("the work did not end within {} minutes of its interruption", PATIENCE_MINUTES);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** From now on until {@link #close} an interruption is a request. */
    public void heed() {
        if (!heeded) {
            try {
                Runtime.getRuntime().addShutdownHook(hook);
                heeded = true;
            } catch (IllegalStateException e) {
                requested = true; // the process is ending already
            }
        }
    }

    /** Calls this when the user asks to stop, at once if that was before: for work that waits rather than asks. */
    public void onRequest(Runnable listener) {
        heed();
        synchronized (this) {
            if (requested) {
                listener.run();
            } else {
                listeners.add(listener);
            }
        }
    }

    private synchronized List<Runnable> request() {
        requested = true;
        return listeners;
    }

    /** Whether the user asked to stop, which is heeded from now on. */
    public boolean requested() {
        heed();
        return requested;
    }

    @Override
    public void close() {
        done.countDown();
        if (heeded && !requested) {
            Runtime.getRuntime().removeShutdownHook(hook);
        }
    }
}
