package dev.moe4j.parallel;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A port of the loopback that is reserved for one test. A socket that never listens is bound to the port, so no other
 * test gets it, and connections are refused. A process of the test can still listen there: c10d's server sets
 * SO_REUSEADDR.
 */
public record ReservedPort(int number, Socket holder) implements AutoCloseable {

    /** The ports of Slurm jobs. The system's ephemeral ports lie elsewhere (on Linux from 32768 on). */
    private static final int FIRST = 20_000;

    private static final int COUNT = 10_000;

    public static ReservedPort take() {
        int start = ThreadLocalRandom.current().nextInt(COUNT);
        for (int tried = 0; tried < COUNT; tried++) {
            int port = FIRST + (start + tried) % COUNT;
            Socket socket = new Socket();
            try {
                // Without SO_REUSEADDR a bind fails if any other socket has the port, including one of another test.
                socket.setReuseAddress(false);
                socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
                socket.setReuseAddress(true);
                return new ReservedPort(port, socket);
            } catch (BindException e) {
                // Try the next port.
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        throw new AssertionError("no port from " + FIRST + " to " + (FIRST + COUNT - 1) + " is free");
    }

    /** Returns the id of a Slurm job whose first step uses this port. */
    public int slurmJob() {
        return number - FIRST;
    }

    public String meeting() {
        return "tcp://127.0.0.1:" + number;
    }

    @Override
    public void close() {
        try {
            holder.close();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
