package dev.moe4j.parallel.health;

import java.util.List;

/**
 * The contact data of a rank, which every rank publishes in the rendezvous.
 *
 * @param identity the rank's code version and configuration
 * @param machine the rank's host name
 * @param pid the rank's process id
 * @param address the numeric IP address on which the rank answers health checks
 * @param port the port for health checks
 * @param token the secret that a request must carry, so that other programs get no answer
 */
public record RankEndpoint(
        int rank, RankIdentity identity, String machine, long pid, String address, int port, String token) {

    /** Encodes the endpoint for the rendezvous store, one field per line. */
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
                new RankIdentity(fields[1], fields[2]),
                fields[3],
                Long.parseLong(fields[4]),
                fields[5],
                Integer.parseInt(fields[6]),
                fields[7]);
    }

    /** Formats the rank for messages: {@code rank 3 (process 4711 on node07)}. */
    public String describe() {
        return "rank " + rank + " (process " + pid + " on " + machine + ")";
    }
}
