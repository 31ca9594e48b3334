package dev.moe4j.plan;

/**
 * How long exchanges between devices take: bytes over the rate of the slower kind of link, both of which work at the same
 * time, and a latency for each message.
 */
record Links(Cluster cluster) {

    /**
     * Some devices that exchange: every {@code stride}-th, while the devices between them form like groups that exchange
     * at the same time. All devices and the devices that share experts have stride 1; those that hold the same experts are
     * as far apart as experts are shared.
     */
    record Ring(int members, int stride) {}

    /**
     * Seconds in which all members of a ring gather what each has a part of; or, which takes the same time, in which each
     * gets its part of a sum. Of n members each sends and receives (n − 1)/n of the whole. Of N nodes each does so with
     * (N − 1)/N of it for every ring, through the adapters of the ring's devices there.
     *
     * @param bytes of the whole
     * @param calls that it is exchanged in
     */
    double gather(double bytes, Ring ring, double calls) {
        int members = ring.members();
        if (members == 1) {
            return 0;
        }
        int here = membersPerNode(ring);
        int nodes = Math.ceilDiv(members, here);
        double within = here == 1 ? 0 : bytes * (members - 1) / members / cluster.intraBandwidth();
        double between = bytes * (nodes - 1) / nodes / (here * cluster.interBandwidth());
        double latency = (nodes - 1) * cluster.interLatency() + (members - nodes) * cluster.intraLatency();
        return Math.max(within, between) + calls * latency;
    }

    /**
     * Seconds in which neighbours exchange rows, as many with each: a part stays, a part goes to the same node, the rest to
     * others.
     *
     * @param bytes that each has, those for itself included
     */
    double allToAll(double bytes, int members) {
        int here = membersPerNode(new Ring(members, 1));
        double within = bytes * (here - 1) / members / cluster.intraBandwidth();
        double between = bytes * (members - here) / members / cluster.interBandwidth();
        double latency = (here - 1) * cluster.intraLatency() + (members - here) * cluster.interLatency();
        return Math.max(within, between) + latency;
    }

    private int membersPerNode(Ring ring) {
        return Math.clamp(cluster.devicesPerNode() / ring.stride(), 1, ring.members());
    }
}
