package dev.moe4j.parallel.health;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Records which collective this process is in and how long it has waited for collectives. Other ranks get this status only
 * when they ask for it.
 */
public final class ExchangeProgress {

    /** A change of state: the process started to wait for a collective, or resumed its work after one. */
    private record Transition(boolean waiting, String label, long nanoTime) {}

    private final Map<String, Long> begun = new ConcurrentHashMap<>();
    private volatile Transition last = new Transition(false, "its start", System.nanoTime());
    private long waited;

    /** Records the start of a collective. Returns its number in the group, from 1. */
    public long begin(String group) {
        return begun.merge(group, 1L, Long::sum);
    }

    public void startWaiting(String label) {
        last = new Transition(true, label, System.nanoTime());
    }

    public void stopWaiting(String label) {
        Transition now = new Transition(false, label, System.nanoTime());
        waited += now.nanoTime() - last.nanoTime();
        last = now;
    }

    /**
     * Returns the seconds spent between {@link #startWaiting} and {@link #stopWaiting} so far. Only the thread that calls
     * these methods may call this one.
     */
    public double waitedSeconds() {
        return waited / 1e9;
    }

    PeerStatus.Alive state(String group) {
        Transition now = last;
        return new PeerStatus.Alive(
                begun.getOrDefault(group, 0L), now.waiting(), now.label(), (System.nanoTime() - now.nanoTime()) / 1e9);
    }
}
