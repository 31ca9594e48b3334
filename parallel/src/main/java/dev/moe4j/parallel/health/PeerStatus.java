package dev.moe4j.parallel.health;

/** What became of asking a rank how it is. */
public sealed interface PeerStatus {

    /**
     * It lives.
     *
     * @param begun exchanges that it has begun in the group in question
     * @param waiting whether it waits in an exchange, or is at work since one
     * @param label that exchange
     * @param seconds for how long
     */
    record Alive(long begun, boolean waiting, String label, double seconds) implements PeerStatus {}

    /** Its process is gone. */
    record Dead() implements PeerStatus {}

    /** Nothing came back: its process is stopped, or its machine cannot be reached. */
    record Silent() implements PeerStatus {}
}
