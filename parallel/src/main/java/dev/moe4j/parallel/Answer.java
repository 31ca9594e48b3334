package dev.moe4j.parallel;

/** What became of asking a rank how it is. */
sealed interface Answer {

    /**
     * It lives.
     *
     * @param begun exchanges that it has begun in the group in question
     * @param waiting whether it waits in an exchange, or is at work since one
     * @param label that exchange
     * @param seconds for how long
     */
    record Alive(long begun, boolean waiting, String label, double seconds) implements Answer {}

    /** Its process is gone. */
    record Dead() implements Answer {}

    /** Nothing came back: its process is stopped, or its machine cannot be reached. */
    record Silent() implements Answer {}
}
