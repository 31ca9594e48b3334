package dev.moe4j.parallel;

import java.time.Duration;
import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * Waits for exchanges on behalf of a process's groups, and explains why one failed.
 *
 * @param rank this process's
 * @param timeout how long an exchange may keep a rank waiting
 */
record Watch(int rank, Duration timeout, Journal journal, Peers peers) {

    /** Between looks at whether another rank has told of a failure. */
    static final long LOOK_MILLIS = 100;

    /** How often others are asked until the one whose connection broke is seen to be gone. */
    private static final int QUESTIONS = 10;

    /**
     * The failure of an exchange; tells the other ranks of it.
     *
     * @param seconds that this rank waited in it
     * @param broken libtorch's reason, or empty where time is up or another rank told
     */
    ParallelException failure(Exchange exchange, double seconds, String broken, Throwable cause) {
        return failure(exchange, seconds, cause, () -> diagnose(exchange, broken));
    }

    /** The failure of an exchange for a reason that this rank knows; tells the other ranks of it. */
    ParallelException disagreement(Exchange exchange, String reason) {
        return failure(exchange, 0, null, () -> reason);
    }

    private ParallelException failure(
            Exchange exchange, double seconds, @Nullable Throwable cause, Supplier<String> finding) {
        String reason = peers.failure();
        if (reason == null) {
            reason = finding.get();
            peers.tell("%s (found by rank %d in %s)".formatted(reason, rank, exchange.describe()));
        }
        return new ParallelException(
                "rank %d gave up %s after %.1f s (timeout %s): %s"
                        .formatted(rank, exchange.describe(), seconds, Rendezvous.seconds(timeout), reason),
                cause);
    }

    /** The failure of an exchange that another rank told of, if one has. */
    void checkTold(Exchange exchange, double seconds) {
        if (peers.failure() != null) {
            throw failure(exchange, seconds, null, () -> "another rank has failed");
        }
    }

    private String diagnose(Exchange exchange, String broken) {
        for (int question = 1; ; question++) {
            Map<Integer, Answer> answers = peers.ask(exchange.members().name());
            String told = peers.failure();
            if (told != null) {
                return told;
            }
            boolean allAlive = answers.values().stream().allMatch(Answer.Alive.class::isInstance);
            if (broken.isEmpty() || !allAlive || question == QUESTIONS) {
                return Diagnosis.of(exchange, answers, timeout, broken);
            }
            // A process that dies closes its sockets one after the other.
            try {
                Thread.sleep(LOOK_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return Diagnosis.of(exchange, answers, timeout, broken);
            }
        }
    }
}
