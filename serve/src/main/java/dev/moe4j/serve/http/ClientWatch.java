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
 * Detects that a client closes its connection while its request is being answered. A virtual thread waits for the
 * connection's next bytes, which are the client's next request, or for its end.
 */
final class ClientWatch {
    /** How long an idle connection is kept open, the same as in Helidon. */
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

    /** Whether the client has closed the connection. */
    boolean left() {
        return left;
    }

    /** Returns the connection to Helidon. Two threads must not read it at the same time. */
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
     * Remembers the connection of each thread's request. Helidon passes the connection only to listeners, on the thread that
     * then handles the request.
     */
    static final class Connections implements Http1ConnectionListener {
        private static final ThreadLocal<DataReader> READER = new ThreadLocal<>();

        @Override
        public void prologue(ConnectionContext connection, HttpPrologue prologue) {
            READER.set(connection.dataReader());
        }

        /** Watches the client of this thread's request until the response is sent. Call it after reading the body. */
        ClientWatch watch(ServerRequest request, ServerResponse response) {
            ClientWatch watch = new ClientWatch(READER.get());
            if (!request.headers().containsToken(HeaderValues.CONNECTION_CLOSE)) { // else the response ends it
                response.whenSent(watch::end);
            }
            return watch;
        }
    }
}
