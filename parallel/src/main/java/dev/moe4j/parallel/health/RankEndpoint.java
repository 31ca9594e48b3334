package dev.moe4j.parallel.health;

import java.util.List;

/**
 * How a process introduces itself to the others of its run.
 *
 * @param machine its host's name
 * @param address where it answers questions, a numeric address
 * @param token that a question must bring, so that strangers get no answer
 */
public record RankEndpoint(
        int rank, Identity identity, String machine, long pid, String address, int port, String token) {

    /** As text for the store, a field a line. */
    public String encode() {
        return String.join(
                "\n",
                List.of(
                        String.valueOf(rank),
                        identity.code(),
                        identity.configuration(),
                        machine,
                        String.valueOf(pid),
                        address,
                        String.valueOf(port),
                        token));
    }

    public static RankEndpoint decode(String text) {
        String[] fields = text.split("\n", -1);
        return new RankEndpoint(
                Integer.parseInt(fields[0]),
                new Identity(fields[1], fields[2]),
                fields[3],
                Long.parseLong(fields[4]),
                fields[5],
                Integer.parseInt(fields[6]),
                fields[7]);
    }

    /** For messages: {@code rank 3 (process 4711 on node07)}. */
    public String describe() {
        return "rank " + rank + " (process " + pid + " on " + machine + ")";
    }
}
