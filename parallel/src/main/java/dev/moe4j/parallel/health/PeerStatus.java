package dev.moe4j.parallel.health;

/** The result of a health check of another rank. */
public sealed interface PeerStatus {

    /**
     * The rank answered.
     *
     * @param begun the collectives that the rank has started in the group
     * @param waiting true while it waits in a collective, false while it computes
     * @param label its current or last collective
     * @param seconds the time spent waiting or computing
     */
    record Alive(long begun, boolean waiting, String label, double seconds) implements PeerStatus {}

    /** The rank's process has ended. */
    record Dead() implements PeerStatus {}

    /** The rank did not answer: its process is stopped, or its machine is unreachable. */
    record Silent() implements PeerStatus {}
}
