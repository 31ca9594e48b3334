package dev.moe4j.serve.http;

import io.helidon.common.buffers.DataReader;
import io.helidon.http.HeaderValues;
import io.helidon.http.HttpPrologue;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.helidon.webserver.http1.Http1ConnectionListener;
import java.time.Duration;

/**
 * Notices that a client closes its connection while its request is being answered. A thread of its own waits for the next
 * bytes of the connection: the client's next request, or the end.
 */
final class ClientWatch {
    /** How long a connection is kept for the next request, as by Helidon. */
    private static final Duration IDLE = Duration.ofMinutes(5);

    private final Thread reading;
    private volatile boolean left;

    private ClientWatch(DataReader connection) {
        reading = Thread.startVirtualThread(() -> {
            try {
                connection.ensureAvailable();
            } catch (RuntimeException _) {
                left = true; // the connection has ended or is broken
            }
        });
    }

    /** Whether the client has left. */
    boolean left() {
        return left;
    }

    /** Gives the connection back: two threads must not read it. */
    private void end() {
        try {
            if (!reading.join(IDLE)) {
                throw new CloseConnectionException("the client was idle for " + IDLE);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new CloseConnectionException("the server is stopping", e);
        }
    }

    /**
     * Knows the connection of the request that a thread handles. Helidon tells its listeners only, on the thread that handles
     * the request afterwards.
     */
    static final class Connections implements Http1ConnectionListener {
        private static final ThreadLocal<DataReader> READER = new ThreadLocal<>();

        @Override
        public void prologue(ConnectionContext connection, HttpPrologue prologue) {
            READER.set(connection.dataReader());
        }

        /** Watches the client of this thread's request until the response is sent. The body must have been read. */
        ClientWatch watch(ServerRequest request, ServerResponse response) {
            ClientWatch watch = new ClientWatch(READER.get());
            if (!request.headers().containsToken(HeaderValues.CONNECTION_CLOSE)) { // else the response ends it
                response.whenSent(watch::end);
            }
            return watch;
        }
    }
}
