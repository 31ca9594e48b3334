package dev.moe4j.parallel.health;

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** Finds the rank at fault for a failed collective, from the status of all other ranks. */
public final class FailureDiagnosis {

    /** A rank is slow if it has computed for this fraction of the timeout. */
    private static final double SLOW = 0.5;

    private FailureDiagnosis() {}

    /**
     * Returns the reason for a failure. It starts with the rank at fault if one is found.
     *
     * @param answers the status of all other ranks of the run
     * @param broken libtorch's error message, or empty if the collective exceeded the timeout
     */
    public static String of(CollectiveId exchange, Map<Integer, PeerStatus> answers, Duration timeout, String broken) {
        SortedMap<Integer, PeerStatus> sorted = new TreeMap<>(answers);
        List<Integer> dead = ranks(sorted, PeerStatus.Dead.class);
        if (!dead.isEmpty()) {
            return ranks(dead) + (dead.size() == 1 ? " has died: see its log" : " have died: see their logs");
        }
        List<Integer> silent = ranks(sorted, PeerStatus.Silent.class);
        if (!silent.isEmpty()) {
            return ranks(silent)
                    + (silent.size() == 1 ? " does not answer: its process is" : " do not answer: their processes are")
                    + " stopped, or the network to " + (silent.size() == 1 ? "its machine" : "their machines")
                    + " is cut";
        }
        if (!broken.isEmpty()) {
            return "all ranks answer, but a connection broke (" + broken + "): check the network between them";
        }
        List<String> slow = new ArrayList<>();
        List<String> elsewhere = new ArrayList<>();
        sorted.forEach((rank, answer) -> {
            if (answer instanceof PeerStatus.Alive alive) {
                if (!alive.waiting() && alive.seconds() >= SLOW * timeout.toMillis() / 1e3) {
                    slow.add("rank %d is slow: at work for %.1f s since %s"
                            .formatted(rank, alive.seconds(), alive.label()));
                } else if (exchange.members().ranks().contains(rank) && alive.begun() < exchange.number()) {
                    elsewhere.add("rank %d has not reached it: it %s %s"
                            .formatted(rank, alive.waiting() ? "is waiting in" : "is at work since", alive.label()));
                }
            }
        });
        if (!slow.isEmpty()) {
            return String.join(", ", slow) + "; see its log, or raise the timeout if such work is expected";
        }
        if (!elsewhere.isEmpty()) {
            return String.join(", ", elsewhere) + "; all ranks must call the same collectives in the same order";
        }
        return "all ranks take part, but data did not arrive: check the network, or raise the timeout";
    }

    private static List<Integer> ranks(SortedMap<Integer, PeerStatus> answers, Class<? extends PeerStatus> kind) {
        return answers.entrySet().stream()
                .filter(entry -> kind.isInstance(entry.getValue()))
                .map(Map.Entry::getKey)
                .toList();
    }

    /** Formats ranks for messages: {@code rank 3} or {@code ranks 1, 3}. */
    public static String ranks(List<Integer> ranks) {
        return (ranks.size() == 1 ? "rank " : "ranks ")
                + ranks.stream().map(String::valueOf).collect(Collectors.joining(", "));
    }
}
