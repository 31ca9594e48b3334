package dev.moe4j.console.process;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.slf4j.LoggerFactory;

/**
 * Turns Ctrl-C and SIGTERM into a request to stop. The work polls {@link #requested} between steps and ends in
 * good order, and the JVM waits for it.
 *
 * <p>The handler is installed by {@link #install} or by the first call of {@link #requested}. Until then a signal ends
 * the process immediately, for example while inputs are read or other processes are awaited.
 */
public final class Interruption implements AutoCloseable {

    /** Long enough for a step and for writing a checkpoint. */
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
                        .warn("the work did not end within {} minutes after the interruption", PATIENCE_MINUTES);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Installs the handler: from now on until {@link #close} a signal is a request to stop. */
    public void install() {
        if (!heeded) {
            try {
                Runtime.getRuntime().addShutdownHook(hook);
                heeded = true;
            } catch (IllegalStateException e) {
                requested = true; // the JVM is already shutting down
            }
        }
    }

    /**
     * Calls {@code listener} when the user asks to stop, or immediately if the user has already asked. For work
     * that waits and cannot poll.
     */
    public void onRequest(Runnable listener) {
        install();
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

    /** Whether the user has asked to stop. The first call installs the handler. */
    public boolean requested() {
        install();
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
