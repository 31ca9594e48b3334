package dev.moe4j.parallel.health;

import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** Where this process is among its exchanges, for others that ask: nothing of it is sent unasked. */
public final class Journal {

    /** A moment at which the process began to wait in an exchange, or went back to work from one. */
    private record Moment(boolean waiting, String label, long nanoTime) {}

    private final Map<String, Long> begun = new ConcurrentHashMap<>();
    private volatile Moment moment = new Moment(false, "its start", System.nanoTime());
    private long waited;

    /** Notes that an exchange of a group begins; returns its number among the group's, from 1. */
    public long begin(String group) {
        return begun.merge(group, 1L, Long::sum);
    }

    public void waitsIn(String label) {
        moment = new Moment(true, label, System.nanoTime());
    }

    public void worksAfter(String label) {
        Moment now = new Moment(false, label, System.nanoTime());
        waited += now.nanoTime() - moment.nanoTime();
        moment = now;
    }

    /** Seconds between {@link #waitsIn} and {@link #worksAfter} so far; for the thread that calls these. */
    public double waitedSeconds() {
        return waited / 1e9;
    }

    PeerStatus.Alive state(String group) {
        Moment now = moment;
        return new PeerStatus.Alive(
                begun.getOrDefault(group, 0L), now.waiting(), now.label(), (System.nanoTime() - now.nanoTime()) / 1e9);
    }
}
