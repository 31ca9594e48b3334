package dev.moe4j.parallel.rendezvous;

import dev.moe4j.parallel.health.CollectiveId;
import dev.moe4j.parallel.health.ExchangeProgress;
import dev.moe4j.parallel.health.FailureDiagnosis;
import dev.moe4j.parallel.health.PeerStatus;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.layout.ParallelException;
import java.time.Duration;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Explains failed collectives. It asks the other ranks for their status, finds the rank at fault and reports it.
 *
 * @param rank this process's rank
 * @param timeout how long a rank may wait in a collective
 */
public record FailureDetector(int rank, Duration timeout, ExchangeProgress progress, Peers peers) {

    /** How often the other ranks are asked before a broken connection counts as a network failure. */
    private static final int MOST_CHECKS = 10;

    /**
     * Returns the exception for a failed collective, and reports the failure to the other ranks.
     *
     * @param seconds how long this rank waited in the collective
     * @param broken libtorch's error message, or empty after a timeout
     */
    public ParallelException failure(CollectiveId exchange, double seconds, String broken, Throwable cause) {
        String reported = peers.failure();
        return reported != null
                ? gaveUp(exchange, seconds, reported, cause)
                : report(exchange, seconds, diagnose(exchange, broken), cause);
    }

    /** Returns the exception for a disagreement that this rank found, and reports the failure to the other ranks. */
    public ParallelException disagreement(CollectiveId exchange, String reason) {
        return report(exchange, 0, reason, null);
    }

    /**
     * Checks for failures that other ranks have reported.
     *
     * @throws ParallelException if another rank has reported one
     */
    public void throwIfReported(CollectiveId exchange, double seconds) {
        String reported = peers.failure();
        if (reported != null) {
            throw gaveUp(exchange, seconds, reported, null);
        }
    }

    private ParallelException report(CollectiveId exchange, double seconds, String reason, @Nullable Throwable cause) {
        peers.reportFailure("%s (found by rank %d in %s)".formatted(reason, rank, exchange.describe()));
        return gaveUp(exchange, seconds, reason, cause);
    }

    private ParallelException gaveUp(CollectiveId exchange, double seconds, String reason, @Nullable Throwable cause) {
        return new ParallelException(
                "rank %d gave up %s after %.1f s (timeout %s): %s"
                        .formatted(rank, exchange.describe(), seconds, Rendezvous.seconds(timeout), reason),
                cause);
    }

    private String diagnose(CollectiveId exchange, String broken) {
        for (int check = 1; ; check++) {
            Map<Integer, PeerStatus> answers = peers.ask(exchange.members().name());
            String reported = peers.failure();
            if (reported != null) {
                return reported;
            }
            boolean allAlive = answers.values().stream().allMatch(PeerStatus.Alive.class::isInstance);
            if (broken.isEmpty() || !allAlive || check == MOST_CHECKS) {
                return FailureDiagnosis.of(exchange, answers, timeout, broken);
            }
            // A dying process closes its sockets one after the other, so its health check port may still be open.
            try {
                Thread.sleep(Peers.POLL_MILLIS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                return FailureDiagnosis.of(exchange, answers, timeout, broken);
            }
        }
    }
}
