package dev.moe4j.parallel.rendezvous;

import dev.moe4j.parallel.health.Diagnosis;
import dev.moe4j.parallel.health.Exchange;
import dev.moe4j.parallel.health.Journal;
import dev.moe4j.parallel.health.PeerStatus;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.layout.ParallelException;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Waits for exchanges on behalf of a process's groups, and explains why one failed.
 *
 * @param rank this process's
 * @param timeout how long an exchange may keep a rank waiting
 */
public record FailureDetector(int rank, Duration timeout, Journal journal, Peers peers) {

    /** How often others are asked until the one whose connection broke is seen to be gone. */
    private static final int QUESTIONS = 10;

    /**
     * The failure of an exchange; tells the other ranks of it.
     *
     * @param seconds that this rank waited in it
     * @param broken libtorch's reason, or empty where time is up or another rank told
     */
    public ParallelException failure(Exchange exchange, double seconds, String broken, Throwable cause) {
        String told = peers.failure();
        return told != null
                ? gaveUp(exchange, seconds, told, cause)
                : tellOthers(exchange, seconds, diagnose(exchange, broken), cause);
    }

    /** The failure of an exchange for a reason that this rank sees by itself; tells the other ranks of it. */
    public ParallelException disagreement(Exchange exchange, String reason) {
        return tellOthers(exchange, 0, reason, null);
    }

    /** Throws the failure of an exchange that another rank told of, if one has. */
    public void checkTold(Exchange exchange, double seconds) {
        String told = peers.failure();
        if (told != null) {
            throw gaveUp(exchange, seconds, told, null);
        }
    }

    private ParallelException tellOthers(Exchange exchange, double seconds, String reason, @Nullable Throwable cause) {
        peers.tell("%s (found by rank %d in %s)".formatted(reason, rank, exchange.describe()));
        return gaveUp(exchange, seconds, reason, cause);
    }

    private ParallelException gaveUp(Exchange exchange, double seconds, String reason, @Nullable Throwable cause) {
        return new ParallelException(
                "rank %d gave up %s after %.1f s (timeout %s): %s"
                        .formatted(rank, exchange.describe(), seconds, Rendezvous.seconds(timeout), reason),
                cause);
    }

    private String diagnose(Exchange exchange, String broken) {
        for (int question = 1; ; question++) {
            Map<Integer, PeerStatus> answers = peers.ask(exchange.members().name());
            String told = peers.failure();
            if (told != null) {
                return told;
            }
            boolean allAlive = answers.values().stream().allMatch(PeerStatus.Alive.class::isInstance);
            if (broken.isEmpty() || !allAlive || question == QUESTIONS) {
                return Diagnosis.of(exchange, answers, timeout, broken);
            }
            // A process that dies closes its sockets one after the other.
            try {
                Thread.sleep(Peers.LOOK_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return Diagnosis.of(exchange, answers, timeout, broken);
            }
        }
    }
}
