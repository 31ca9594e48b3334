package dev.moe4j.plan;

/**
 * Models the time of collective operations between devices. The time is the larger of two: the bytes within nodes and
 * the bytes between nodes, each over the bandwidth of their links, since both kinds of link work in parallel. Each
 * message adds a latency.
 */
record Links(Cluster cluster) {

    /**
     * A group of devices that communicate: every {@code stride}-th device. The devices in between form similar groups
     * that communicate at the same time. The group of all devices and the groups that share experts have stride 1. In a
     * group of devices that hold the same experts, the stride is the expert parallelism.
     */
    record Ring(int members, int stride) {}

    /**
     * Seconds of an all-gather or a reduce-scatter in a ring, which take the same time. Each of n members sends and
     * receives (n − 1)/n of the bytes. Each of N nodes does so with (N − 1)/N of the bytes of every ring, through the
     * network adapters of the ring's devices in the node.
     *
     * @param bytes size of the complete (gathered) data
     * @param calls number of calls that the data is split into
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
     * Seconds of an all-to-all exchange in which each device sends the same amount to every member, itself included.
     *
     * @param bytes bytes that each device holds, including those for itself
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
