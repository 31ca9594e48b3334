package dev.moe4j.parallel;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A port for rank 0 to listen at in a moment, when its process has begun. Ports that the system gives to connections (on
 * Linux from 32768 on) are left out, since one of them may be taken until then; and none is found twice by this process.
 */
public final class FreePort {

    private static final int FIRST = 10_000;
    private static final int COUNT = 22_768;
    private static final AtomicInteger NEXT =
            new AtomicInteger(ThreadLocalRandom.current().nextInt(COUNT));

    private FreePort() {}

    /**
     * A port of the loopback where nobody listens.
     *
     * @throws ParallelException if there is none
     */
    public static int find() {
        IOException last = null;
        for (int tried = 0; tried < COUNT; tried++) {
            int port = FIRST + Math.floorMod(NEXT.getAndIncrement(), COUNT);
            try (ServerSocket _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
                return port;
            } catch (IOException e) {
                last = e;
            }
        }
        throw new ParallelException("no port from " + FIRST + " to " + (FIRST + COUNT - 1) + " is free (" + last
                + "): end a program that has some");
    }
}
