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

/** Finds an address of this machine that other ranks can reach. */
public final class Network {

    /** The pause between two attempts to reach rank 0. */
    private static final long PAUSE_NANOS = 50_000_000;

    private Network() {}

    /**
     * Returns the address of the environment's network interface, which may also be given as an address. Without one,
     * returns the address of the interface that leads to the rendezvous point. The machine's host name is not used, because
     * it often resolves to 127.0.1.1.
     *
     * @throws ParallelException if there is no such interface, or no route to the rendezvous point
     */
    public static InetAddress addressOf(RankEnvironment environment) {
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
                    "rank %d cannot find its address on the way to %s (%s): check MASTER_ADDR, or name a network interface in GLOO_SOCKET_IFNAME"
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
     * Connects a datagram socket, which looks up the route without sending anything. Retries name resolution, because the
     * name of a container may appear only when the container is up.
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
     * Whether a server starts to listen on the address in time. The TCP store's own wait doubles its pauses and so ends
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
