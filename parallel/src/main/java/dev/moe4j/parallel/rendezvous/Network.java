package dev.moe4j.parallel.rendezvous;

import dev.moe4j.parallel.layout.ParallelException;
import java.io.IOException;
import java.net.DatagramSocket;
import java.net.Inet4Address;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.Socket;
import java.net.URI;
import java.net.UnknownHostException;
import java.time.Duration;
import java.util.Collections;
import java.util.Comparator;
import java.util.concurrent.locks.LockSupport;

/** Which of this machine's addresses other ranks can reach. */
public final class Network {

    /** Between two tries to reach rank 0. */
    private static final long PAUSE_NANOS = 50_000_000;

    private Network() {}

    /**
     * The address of the named interface, or the address that stands in place of a name. Without a name, the address of the
     * interface that leads to where the ranks meet. A host's own name is no guide: it often stands for 127.0.1.1.
     */
    public static InetAddress addressOf(Environment environment) {
        String name = environment.networkInterface();
        URI meeting = environment.meeting();
        try {
            if (!name.isEmpty()) {
                return ofInterface(name);
            }
            return meeting.getScheme().equals("tcp")
                    ? towards(meeting, environment.timeout())
                    : InetAddress.getLocalHost();
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
            return ofLiteral(name);
        }
        return Collections.list(found.getInetAddresses()).stream()
                .filter(address -> !address.isLinkLocalAddress())
                .min(Comparator.comparing((InetAddress address) -> !(address instanceof Inet4Address)))
                .orElseThrow(() -> new ParallelException("network interface " + name + " has no address"));
    }

    private static InetAddress ofLiteral(String address) throws IOException {
        try {
            return InetAddress.ofLiteral(address);
        } catch (IllegalArgumentException e) {
            throw new ParallelException(
                    "GLOO_SOCKET_IFNAME is '" + address + "', but there is no such network interface; there are "
                            + NetworkInterface.networkInterfaces()
                                    .map(NetworkInterface::getName)
                                    .toList(),
                    e);
        }
    }

    /**
     * Connecting a datagram socket sends nothing: it looks up the route. A host may get its name only when it is up, as
     * containers do.
     */
    private static InetAddress towards(URI meeting, Duration patience) throws IOException {
        long deadline = System.nanoTime() + patience.toNanos();
        InetAddress target = null;
        while (target == null) {
            try {
                target = InetAddress.getByName(meeting.getHost());
            } catch (UnknownHostException e) {
                if (System.nanoTime() > deadline) {
                    throw e;
                }
                LockSupport.parkNanos(PAUSE_NANOS);
            }
        }
        try (DatagramSocket socket = new DatagramSocket()) {
            socket.connect(new InetSocketAddress(target, meeting.getPort()));
            return socket.getLocalAddress();
        }
    }

    /**
     * Whether somebody listens there before the time is over. The store's own waiting doubles its pauses and so ends
     * seconds after its timeout.
     */
    static boolean listens(URI meeting, Duration patience) {
        long deadline = System.nanoTime() + patience.toNanos();
        for (long left = patience.toNanos(); left > 0; left = deadline - System.nanoTime()) {
            try (Socket socket = new Socket()) {
                int millis = Math.clamp(left / 1_000_000, 1, Integer.MAX_VALUE);
                socket.connect(new InetSocketAddress(meeting.getHost(), meeting.getPort()), millis);
                return true;
            } catch (IOException e) {
                LockSupport.parkNanos(Math.min(left, PAUSE_NANOS));
            }
        }
        return false;
    }
}
