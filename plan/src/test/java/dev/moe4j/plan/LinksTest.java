package dev.moe4j.plan;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** Times worked out by hand, on nodes of 4 devices with 100 bytes/s within and 10 bytes/s between nodes. */
class LinksTest {

    private static final double WITHIN = 0.25;
    private static final double BETWEEN = 0.5;

    private static Links links(double intraLatency, double interLatency) {
        return new Links(new Cluster(4, 1, 1, 1, 100, 10, intraLatency, interLatency, 1, 4, 0, 0, 0));
    }

    private static void assertSeconds(double seconds, double expected) {
        assertThat(seconds).isCloseTo(expected, within(1e-12));
    }

    @Test
    void aNodeGathersOverItsOwnLinks() {
        // Each of 4 gets 3/4 of 800 bytes.
        assertSeconds(links(0, 0).gather(800, new Links.Ring(4, 1), 1), 6);
        assertSeconds(links(0, 0).gather(800, new Links.Ring(1, 1), 1), 0);
    }

    @Test
    void nodesGatherThroughAllTheirAdapters() {
        // Half of the 800 bytes enters each of two nodes through 4 adapters, in 10 s. Within the nodes, 7/8 of the
        // bytes take 7 s.
        assertSeconds(links(0, 0).gather(800, new Links.Ring(8, 1), 1), 10);
    }

    /** Four rings of two devices in two nodes use one adapter each; a ring of every second device uses two. */
    @Test
    void ringsOfDistantDevicesShareTheAdapters() {
        assertSeconds(links(0, 0).gather(800, new Links.Ring(2, 4), 1), 40);
        assertSeconds(links(0, 0).gather(800, new Links.Ring(4, 2), 1), 20);
        assertSeconds(links(0, 0).gather(800, new Links.Ring(2, 8), 1), 40);
    }

    /** Around 8 devices in two nodes: one hop between nodes, six within, for each call. */
    @Test
    void eachCallWaitsForEachHop() {
        assertSeconds(links(WITHIN, BETWEEN).gather(0, new Links.Ring(8, 1), 3), 3 * (BETWEEN + 6 * WITHIN));
    }

    @Test
    void rowsForOthersLeaveTheDevice() {
        // Of 800 bytes, 100 stay, 300 go to the same node in 3 s, and 400 to the other node in 40 s.
        assertSeconds(links(0, 0).allToAll(800, 8), 40);
        // Of 800 bytes, 400 stay and 400 go to the neighbour.
        assertSeconds(links(0, 0).allToAll(800, 2), 4);
        assertSeconds(links(0, 0).allToAll(800, 1), 0);
        assertSeconds(links(WITHIN, BETWEEN).allToAll(0, 8), 3 * WITHIN + 4 * BETWEEN);
    }
}
