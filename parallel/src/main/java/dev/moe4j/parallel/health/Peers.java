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
 * The other processes of a run, apart from c10d: each answers when it is asked how it is, and hears what another failed
 * for. Libtorch says that a connection broke or that time is up; whose fault it was only the processes can tell. A
 * process costs nothing by this as long as nothing fails: a socket that nobody connects to.
 */
public final class Peers implements AutoCloseable {

    /** The time between looks for failures that other ranks have reported. */
    public static final long LOOK_MILLIS = 100;

    /** A process that lives answers sooner, even on a crowded machine. */
    private static final int PATIENCE_MILLIS = 5_000;
    /** What is sent arrives, whether or not it is confirmed by then. */
    private static final int TELLING_MILLIS = 1_000;

    /** What one asks or tells another. */
    private enum Request {
        HOW_ARE_YOU,
        FAILED
    }

    private final Journal journal;
    private final ServerSocket server;
    private final String token = UUID.randomUUID().toString();
    private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
    private volatile List<RankEndpoint> others = List.of();

    private Peers(Journal journal, ServerSocket server) {
        this.journal = journal;
        this.server = server;
    }

    /** Begins to answer, at a free port of that address. */
    public static Peers listen(InetAddress address, Journal journal) {
        try {
            Peers peers = new Peers(journal, new ServerSocket(0, 0, address));
            Thread.ofPlatform().daemon().name("peers").start(peers::serve);
            return peers;
        } catch (IOException e) {
            throw new ParallelException(
                    "cannot listen on " + address.getHostAddress() + ": " + e.getMessage()
                            + "; check the network interface, or name another one in GLOO_SOCKET_IFNAME",
                    e);
        }
    }

    /** This process's card. */
    public RankEndpoint card(int rank, Identity identity) {
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

    /** Gets to know all ranks of the run but this one. */
    public void meet(List<RankEndpoint> cards) {
        others = cards.stream().filter(card -> !card.token().equals(token)).toList();
    }

    /** The reason for which the run has failed, as found here or told by another rank. */
    @Nullable
    public String failure() {
        return failure.get();
    }

    /** Asks all others how they are; {@code group} is the one whose exchanges they count for the answer. */
    public Map<Integer, PeerStatus> ask(String group) {
        Map<Integer, PeerStatus> answers = new ConcurrentHashMap<>();
        forEachOther(card -> answers.put(card.rank(), ask(card, group)));
        return answers;
    }

    private static PeerStatus ask(RankEndpoint card, String group) {
        try (Socket socket = new Socket()) {
            try {
                connect(socket, card, PATIENCE_MILLIS);
            } catch (IOException e) {
                return unreachable(e);
            }
            DataInputStream in = send(socket, card, Request.HOW_ARE_YOU, group);
            return new PeerStatus.Alive(in.readLong(), in.readBoolean(), in.readUTF(), in.readDouble());
        } catch (SocketTimeoutException e) {
            return new PeerStatus.Silent();
        } catch (IOException e) {
            return new PeerStatus.Dead(); // it went while it was asked
        }
    }

    /**
     * The status of a peer that cannot be connected to. The peer's kernel refuses a connection to a port that nobody
     * listens on; any other failure is the network's. The type of the exception tells, since its text depends on the
     * system's language.
     */
    static PeerStatus unreachable(IOException failure) {
        return failure instanceof ConnectException ? new PeerStatus.Dead() : new PeerStatus.Silent();
    }

    /** Notes why the run has failed, unless it is known, and tells all others that can be reached. */
    public void tell(String reason) {
        if (failure.compareAndSet(null, reason)) {
            forEachOther(card -> {
                try (Socket socket = new Socket()) {
                    connect(socket, card, TELLING_MILLIS);
                    boolean _ = send(socket, card, Request.FAILED, reason).readBoolean();
                } catch (IOException e) {
                    // It is gone or stuck: there is nobody to tell.
                }
            });
        }
    }

    /**
     * Waits until rank 0 has ended, at most that long. Rank 0 may have a checkpoint to write, and launchers and schedulers
     * end all ranks soon after one has ended.
     */
    public void awaitFirst(Duration patience) {
        long end = System.nanoTime() + patience.toNanos();
        for (RankEndpoint card : others) {
            while (card.rank() == 0 && System.nanoTime() < end && ask(card, "") instanceof PeerStatus.Alive) {
                try {
                    Thread.sleep(LOOK_MILLIS);
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                    return;
                }
            }
        }
    }

    private static void connect(Socket socket, RankEndpoint card, int patienceMillis) throws IOException {
        socket.setSoTimeout(patienceMillis);
        socket.connect(new InetSocketAddress(card.address(), card.port()), patienceMillis);
    }

    private static DataInputStream send(Socket socket, RankEndpoint card, Request request, String text)
            throws IOException {
        DataOutputStream out = new DataOutputStream(socket.getOutputStream());
        out.writeUTF(card.token());
        out.writeUTF(request.name());
        out.writeUTF(text.substring(0, Math.min(text.length(), 10_000)));
        out.flush();
        return new DataInputStream(socket.getInputStream());
    }

    private interface Action {
        void on(RankEndpoint card);
    }

    private void forEachOther(Action action) {
        List<Thread> threads = new ArrayList<>();
        for (RankEndpoint card : others) {
            threads.add(Thread.ofVirtual().start(() -> action.on(card)));
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
                // Closed, or the asker is gone already.
            }
        }
    }

    private void answer(Socket socket) {
        try (socket) {
            socket.setSoTimeout(PATIENCE_MILLIS);
            DataInputStream in = new DataInputStream(socket.getInputStream());
            if (!in.readUTF().equals(token)) {
                return;
            }
            Request request = Request.valueOf(in.readUTF());
            String text = in.readUTF();
            DataOutputStream out = new DataOutputStream(socket.getOutputStream());
            switch (request) {
                case HOW_ARE_YOU -> {
                    PeerStatus.Alive state = journal.state(text);
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
            // The asker is gone.
        }
    }

    @Override
    public void close() {
        try {
            server.close();
        } catch (IOException e) {
            // It ends with the process.
        }
    }
}
