package dev.moe4j.parallel.rendezvous;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.parallel.health.FailureDiagnosis;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.health.RankEndpoint;
import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.layout.ParallelException;
import java.net.InetAddress;
import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.SizeTPointer;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.FileStore;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.TCPStore;
import org.bytedeco.pytorch.TCPStoreOptions;
import org.bytedeco.pytorch.global.torch_gloo;

/**
 * The rendezvous of a run. Each rank publishes its {@link RankEndpoint} in a store and waits for the endpoints of the other
 * ranks. Rank 0, torchrun's agent or a shared file hosts the store. All ranks must run the same code with the same
 * configuration.
 */
public final class Rendezvous {

    private static final String COMPLETE = "complete";
    private static final String FAILURE = "failure";
    /** The longest pause between two polls of the store. */
    private static final long LONGEST_PAUSE_MILLIS = 200;
    /** How long rank 0 keeps the store open after a failure, so that the other ranks can read the reason. */
    private static final long LINGER_MILLIS = 1_000;
    /** Extra time before a blocked call is abandoned. A timeout inside the call gives a better message. */
    private static final long GRACE_MILLIS = 5_000;

    private final RankEnvironment environment;
    private final Store store;
    // C++ counts its references to the store, but the Java wrappers must stay reachable too.
    private final List<Object> held = new ArrayList<>();

    private Rendezvous(RankEnvironment environment) {
        this.environment = environment;
        Loader.load(torch_gloo.class);
        this.store = within("meeting the other ranks at " + environment.meeting(), this::open);
    }

    /**
     * Waits for all ranks and passes their endpoints to {@code peers}.
     *
     * @throws ParallelException if ranks are missing at the end of the timeout, or their identities differ
     */
    public static Rendezvous meet(RankEnvironment environment, RankIdentity identity, Peers peers) {
        Rendezvous rendezvous = new Rendezvous(environment);
        peers.meet(rendezvous.within(
                "the rendezvous", () -> rendezvous.endpoints(peers.endpoint(environment.rank(), identity))));
        return rendezvous;
    }

    public Store store() {
        return store;
    }

    private Store open() {
        URI meeting = environment.meeting();
        String keeper = environment.storeKeeper();
        boolean server = environment.rank() == 0 && !environment.agentStore();
        if (meeting.getScheme().equals("file")) {
            FileStore file = new FileStore(Path.of(meeting).toString(), environment.world());
            held.add(file);
            return held(file.clone());
        }
        if (!server && !Network.listens(meeting, environment.timeout())) {
            throw new ParallelException(
                    "rank %d cannot reach %s at %s within %s: %s is missing, or the port is closed; see %s's log"
                            .formatted(
                                    environment.rank(),
                                    keeper,
                                    meeting,
                                    seconds(environment.timeout()),
                                    keeper,
                                    keeper));
        }
        TCPStoreOptions options = new TCPStoreOptions();
        options.port((short) meeting.getPort());
        options.isServer(server);
        options.numWorkers(new SizeTPointer(1).put(environment.world()));
        options.waitWorkers(false);
        options.timeout(new Milliseconds(environment.timeout().toMillis()));
        options.useLibUV(false);
        held.add(options);
        try {
            TCPStore tcp = new TCPStore(meeting.getHost(), options);
            held.add(tcp);
            Store store = held(tcp.clone()); // without the clone a second use aborts the JVM
            return meeting.getPath().isEmpty() ? store : held(new PrefixStore(meeting.getPath(), store).clone());
        } catch (RuntimeException e) {
            throw new ParallelException(
                    server
                            ? "rank 0 cannot listen at %s (%s): choose another MASTER_PORT, or stop the program that uses it"
                                    .formatted(meeting, FirstLine.of(e))
                            : "rank %d reached %s at %s, but not its store (%s): another program uses the port, or %s has ended; see %s's log"
                                    .formatted(environment.rank(), keeper, meeting, FirstLine.of(e), keeper, keeper),
                    e);
        }
    }

    private Store held(Store base) {
        held.add(base);
        return base;
    }

    private List<RankEndpoint> endpoints(RankEndpoint own) throws InterruptedException {
        int rank = environment.rank();
        if (store.add("claims/" + rank, 1) != 1) {
            throw new ParallelException(
                    "rank %d has joined already at %s: two processes have the same RANK, or another run meets there; give each run its own %s"
                            .formatted(
                                    rank,
                                    environment.meeting(),
                                    environment.meeting().getScheme().equals("file") ? "file" : "MASTER_PORT"));
        }
        store.set(key(rank), own.encode());
        try {
            waitForAll();
            List<RankEndpoint> endpoints = new ArrayList<>();
            for (int other = 0; other < environment.world(); other++) {
                endpoints.add(RankEndpoint.decode(store.get_to_str(key(other))));
            }
            difference(endpoints).ifPresent(difference -> {
                throw new ParallelException(difference);
            });
            return endpoints;
        } catch (ParallelException e) {
            store.set(FAILURE, String.valueOf(e.getMessage()));
            if (rank == 0) {
                Thread.sleep(LINGER_MILLIS); // the store ends with this process
            }
            throw e;
        }
    }

    /** Waits until all ranks have joined. The last rank to join sets one key, which the others poll. */
    private void waitForAll() throws InterruptedException {
        if (store.add("joined", 1) == environment.world()) {
            store.set(COMPLETE, "");
        }
        long deadline = System.nanoTime() + environment.timeout().toNanos();
        for (long pause = 1; !isThere(COMPLETE); pause = Math.min(2 * pause, LONGEST_PAUSE_MILLIS)) {
            if (isThere(FAILURE)) {
                throw new ParallelException(store.get_to_str(FAILURE));
            }
            if (System.nanoTime() > deadline) {
                throw new ParallelException(missing());
            }
            Thread.sleep(pause);
        }
    }

    private boolean isThere(String key) {
        try (StringVector one = new StringVector(key)) {
            return store.check(one);
        } catch (RuntimeException e) {
            throw new ParallelException(
                    "rank %d lost %s at %s during the rendezvous: see %s's log"
                            .formatted(
                                    environment.rank(),
                                    environment.storeKeeper(),
                                    environment.meeting(),
                                    environment.storeKeeper()),
                    e);
        }
    }

    private String missing() {
        List<Integer> missing = new ArrayList<>();
        for (int other = 0; other < environment.world(); other++) {
            if (!isThere(key(other))) {
                missing.add(other);
            }
        }
        return "%d of %d ranks have met at %s within %s: %s %s missing; see whether %s started, and %s"
                .formatted(
                        environment.world() - missing.size(),
                        environment.world(),
                        environment.meeting(),
                        seconds(environment.timeout()),
                        FailureDiagnosis.ranks(missing),
                        missing.size() == 1 ? "is" : "are",
                        missing.size() == 1 ? "it was" : "they were",
                        missing.size() == 1 ? "its log" : "their logs");
    }

    /** Returns the reason why these ranks cannot form a run, if there is one. */
    static Optional<String> difference(List<RankEndpoint> endpoints) {
        RankEndpoint first = endpoints.getFirst();
        for (RankEndpoint peer : endpoints) {
            if (!peer.identity().code().equals(first.identity().code())) {
                return Optional.of(
                        "%s runs different code than rank 0 (version %s, not %s): start all ranks from the same build"
                                .formatted(
                                        peer.describe(),
                                        peer.identity().code(),
                                        first.identity().code()));
            }
            if (!peer.identity().configuration().equals(first.identity().configuration())) {
                return Optional.of(
                        "%s has a different configuration than rank 0 (digest %s, not %s): give all ranks the same files and options"
                                .formatted(
                                        peer.describe(),
                                        peer.identity().configuration(),
                                        first.identity().configuration()));
            }
        }
        List<RankEndpoint> local =
                endpoints.stream().filter(Rendezvous::isLoopback).toList();
        if (!local.isEmpty() && local.size() < endpoints.size()) {
            return Optional.of(
                    "%s listens on %s, where ranks on other machines cannot reach it: set MASTER_ADDR to an address that all machines reach, or GLOO_SOCKET_IFNAME to its network interface"
                            .formatted(
                                    local.getFirst().describe(),
                                    local.getFirst().address()));
        }
        return Optional.empty();
    }

    private static boolean isLoopback(RankEndpoint peer) {
        return InetAddress.ofLiteral(peer.address()).isLoopbackAddress();
    }

    private static String key(int rank) {
        return "endpoints/" + rank;
    }

    static String seconds(Duration time) {
        return time.toSeconds() + " s";
    }

    /**
     * Runs a call that may block forever, because a store's socket does not have a timeout.
     *
     * @param what the call's purpose, for messages
     * @throws ParallelException if the call fails or exceeds the environment's timeout
     */
    public <T> T within(String what, Callable<T> call) {
        FutureTask<T> task = new FutureTask<>(call);
        Thread.ofPlatform().daemon().name("rendezvous").start(task);
        try {
            return task.get(environment.timeout().toMillis() + GRACE_MILLIS, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
            throw new ParallelException(
                    "rank %d: %s took longer than %s because %s, which hosts the store at %s, does not answer; see its log"
                            .formatted(
                                    environment.rank(),
                                    what,
                                    seconds(environment.timeout()),
                                    environment.storeKeeper(),
                                    environment.meeting()),
                    e);
        } catch (ExecutionException e) {
            switch (e.getCause()) {
                case ParallelException ours -> throw ours;
                case RuntimeException native_ ->
                    throw new ParallelException(
                            "rank %d: %s failed (%s): see the other ranks' logs"
                                    .formatted(environment.rank(), what, FirstLine.of(native_)),
                            native_);
                case Error error -> throw error;
                case null, default -> throw new IllegalStateException(e);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new ParallelException("rank " + environment.rank() + ": " + what + " was interrupted", e);
        }
    }
}
