package dev.moe4j.parallel.health;

import dev.moe4j.parallel.layout.ParallelException;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Health checks and failure reports between the processes of a run, over sockets separate from c10d. They find out which
 * rank is at fault, while libtorch only reports a broken connection or a timeout. Until a collective fails, each process
 * only listens on a socket and does not connect to the others.
 */
public final class Peers implements AutoCloseable {

    /** The interval between checks for failures that other ranks have reported. */
    public static final long POLL_MILLIS = 100;

    /** A live process answers within this time, even on an overloaded machine. */
    private static final int ANSWER_MILLIS = 5_000;
    /** The time to wait for the confirmation of a failure report. The report arrives even if the confirmation is late. */
    private static final int REPORT_MILLIS = 1_000;

    private enum Request {
        STATUS,
        FAILED
    }

    private final ExchangeProgress progress;
    private final ServerSocket server;
    private final String token = UUID.randomUUID().toString();
    private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
    private volatile List<RankEndpoint> others = List.of();

    private Peers(ExchangeProgress progress, ServerSocket server) {
        this.progress = progress;
        this.server = server;
    }

    /**
     * Starts to answer requests on a free port of {@code address}.
     *
     * @throws ParallelException if the address cannot be listened on
     */
    public static Peers listen(InetAddress address, ExchangeProgress progress) {
        try {
            Peers peers = new Peers(progress, new ServerSocket(0, 0, address));
            Thread.ofPlatform().daemon().name("peers").start(peers::serve);
            return peers;
        } catch (IOException e) {
            throw new ParallelException(
                    "cannot listen on " + address.getHostAddress() + ": " + e.getMessage()
                            + "; check the network interface, or name another one in GLOO_SOCKET_IFNAME",
                    e);
        }
    }

    /** Returns this process's endpoint, to be published in the rendezvous. */
    public RankEndpoint endpoint(int rank, RankIdentity identity) {
        String machine =
                System.getenv().getOrDefault("HOSTNAME", server.getInetAddress().getHostAddress());
        return new RankEndpoint(
                rank,
                identity,
                machine,
                ProcessHandle.current().pid(),
                server.getInetAddress().getHostAddress(),
                server.getLocalPort(),
                token);
    }

    /** Sets the endpoints of all ranks. This process's endpoint is left out. */
    public void meet(List<RankEndpoint> endpoints) {
        others = endpoints.stream().filter(peer -> !peer.token().equals(token)).toList();
    }

    /** Returns why the run failed, as found by this rank or reported by another; null if it has not failed. */
    @Nullable
    public String failure() {
        return failure.get();
    }

    /**
     * Asks all other ranks for their status, in parallel.
     *
     * @param group the group whose collectives are counted in {@link PeerStatus.Alive#begun}
     */
    public Map<Integer, PeerStatus> ask(String group) {
        Map<Integer, PeerStatus> answers = new ConcurrentHashMap<>();
        forEachOther(peer -> answers.put(peer.rank(), ask(peer, group)));
        return answers;
    }

    private static PeerStatus ask(RankEndpoint peer, String group) {
        try (Socket socket = new Socket()) {
            try {
                connect(socket, peer, ANSWER_MILLIS);
            } catch (IOException e) {
                return unreachable(e);
            }
            DataInputStream in = send(socket, peer, Request.STATUS, group);
            return new PeerStatus.Alive(in.readLong(), in.readBoolean(), in.readUTF(), in.readDouble());
        } catch (SocketTimeoutException e) {
            return new PeerStatus.Silent();
        } catch (IOException e) {
            return new PeerStatus.Dead(); // the process ended during the request
        }
    }

    /**
     * Returns the status of a peer whose port cannot be connected to. The peer's kernel refuses a connection if the process
     * is gone; any other failure comes from the network. The exception's type decides, because its text depends on the
     * system's language.
     */
    static PeerStatus unreachable(IOException failure) {
        return failure instanceof ConnectException ? new PeerStatus.Dead() : new PeerStatus.Silent();
    }

    /** Records why the run failed and reports it to all reachable ranks. Does nothing if a failure is already known. */
    public void reportFailure(String reason) {
        if (failure.compareAndSet(null, reason)) {
            forEachOther(peer -> {
                try (Socket socket = new Socket()) {
                    connect(socket, peer, REPORT_MILLIS);
                    boolean _ = send(socket, peer, Request.FAILED, reason).readBoolean();
                } catch (IOException e) {
                    // The peer is gone or stuck and needs no report.
                }
            });
        }
    }

    /**
     * Waits until rank 0 has exited, but at most for {@code patience}. Rank 0 may have a checkpoint to write, and launchers
     * and schedulers kill all ranks soon after one exits.
     */
    public void awaitRankZero(Duration patience) {
        long end = System.nanoTime() + patience.toNanos();
        for (RankEndpoint peer : others) {
            while (peer.rank() == 0 && System.nanoTime() < end && ask(peer, "") instanceof PeerStatus.Alive) {
                try {
                    Thread.sleep(POLL_MILLIS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return;
                }
            }
        }
    }

    private static void connect(Socket socket, RankEndpoint peer, int patienceMillis) throws IOException {
        socket.setSoTimeout(patienceMillis);
        socket.connect(new InetSocketAddress(peer.address(), peer.port()), patienceMillis);
    }

    private static DataInputStream send(Socket socket, RankEndpoint peer, Request request, String text)
            throws IOException {
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        out.writeUTF(peer.token());
        out.writeUTF(request.name());
        out.writeUTF(text.substring(0, Math.min(text.length(), 10_000)));
        out.flush();
        return new DataInputStream(socket.getInputStream());
    }

    private interface Action {
        void on(RankEndpoint peer);
    }

    private void forEachOther(Action action) {
        List<Thread> threads = new ArrayList<>();
        for (RankEndpoint peer : others) {
            threads.add(Thread.ofVirtual().start(() -> action.on(peer)));
        }
        try {
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void serve() {
        while (!server.isClosed()) {
            try {
                Socket socket = server.accept();
                Thread.ofVirtual().start(() -> answer(socket));
            } catch (IOException e) {
                // The server is closed, or the client is already gone.
            }
        }
    }

    private void answer(Socket socket) {
        try (socket) {
            socket.setSoTimeout(ANSWER_MILLIS);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            if (!in.readUTF().equals(token)) {
                return;
            }
            Request request = Request.valueOf(in.readUTF());
            String text = in.readUTF();
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            switch (request) {
                case STATUS -> {
                    PeerStatus.Alive state = progress.state(text);
                    out.writeLong(state.begun());
                    out.writeBoolean(state.waiting());
                    out.writeUTF(state.label());
                    out.writeDouble(state.seconds());
                }
                case FAILED -> {
                    failure.compareAndSet(null, text);
                    out.writeBoolean(true);
                }
            }
            out.flush();
        } catch (IOException e) {
            // The client is gone.
        }
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            // The socket closes with the process.
        }
    }
}
