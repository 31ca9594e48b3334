package dev.moe4j.parallel;

import java.io.IOException;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.URI;
import java.util.Collections;
import java.util.Comparator;

/** Which of this machine's addresses other ranks can reach. */
final class Network {

    private Network() {}

    /**
     * The address of the named interface; without a name, of the one that leads to where the ranks meet. A host's own
     * name is no guide: it often stands for 127.0.1.1.
     */
    static InetAddress addressOf(Environment environment) {
        String name = environment.networkInterface();
        URI meeting = environment.meeting();
        try {
            if (!name.isEmpty()) {
                return ofInterface(name);
            }
            return meeting.getScheme().equals("tcp") ? towards(meeting) : InetAddress.getLocalHost();
        } catch (IOException e) {
            throw new ParallelException(
                    "rank %d finds no address of its own towards %s (%s): check MASTER_ADDR, or name a network interface in GLOO_SOCKET_IFNAME"
                            .formatted(environment.rank(), meeting, e.getMessage()),
                    e);
        }
    }

    private static InetAddress ofInterface(String name) throws IOException {
        NetworkInterface found = NetworkInterface.getByName(name);
        if (found == null) {
            throw new ParallelException(
                    "GLOO_SOCKET_IFNAME is '" + name + "', but there is no such network interface; " + "there are "
                            + NetworkInterface.networkInterfaces()
                                    .map(NetworkInterface::getName)
                                    .toList());
        }
        return Collections.list(found.getInetAddresses()).stream()
                .filter(address -> !address.isLinkLocalAddress())
                .min(Comparator.comparing((InetAddress address) -> !(address instanceof Inet4Address)))
                .orElseThrow(() -> new ParallelException("network interface " + name + " has no address"));
    }

    /** Connecting a datagram socket sends nothing: it looks up the route. */
    private static InetAddress towards(URI meeting) throws IOException {
        try (DatagramSocket socket = new DatagramSocket()) {
            InetAddress target = InetAddress.getByName(meeting.getHost());
            socket.connect(new InetSocketAddress(target, meeting.getPort()));
            return socket.getLocalAddress();
        }
    }
}
