package dev.moe4j.parallel;

import dev.moe4j.parallel.c10d.CollectiveBackends;
import dev.moe4j.parallel.c10d.Gloo;
import dev.moe4j.parallel.c10d.Nccl;
import dev.moe4j.parallel.health.ExchangeProgress;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.health.RankIdentity;
import dev.moe4j.parallel.launch.Launcher;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.parallel.rendezvous.Network;
import dev.moe4j.parallel.rendezvous.RankEnvironment;
import dev.moe4j.parallel.rendezvous.Rendezvous;
import dev.moe4j.tensor.Libtorch;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * This process's connection to the other processes of a run. It creates {@link ProcessGroup}s. A run of one process uses
 * neither rendezvous nor sockets nor c10d.
 */
public final class DistributedRun {

    private record Connection(Rendezvous rendezvous, FailureDetector detector, String address) {}

    private final RankEnvironment environment;
    private final @Nullable Connection connection;
    private final Map<String, ProcessGroup> groups = new HashMap<>();

    private DistributedRun(RankEnvironment environment, @Nullable Connection connection) {
        this.environment = environment;
        this.connection = connection;
    }

    /**
     * Joins the rendezvous, runs {@code work}, and waits until all processes have finished.
     *
     * <p>If this process fails, it reports the failure to the others, so that they stop too. It throws only after rank 0
     * has exited, because rank 0 may have to write a checkpoint.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if ranks are missing, differ in {@code identity}, or are lost
     */
    public static <T> T run(RankEnvironment environment, RankIdentity identity, Function<DistributedRun, T> work) {
        if (!environment.isDistributed()) {
            return work.apply(new DistributedRun(environment, null));
        }
        Libtorch.load();
        ExchangeProgress progress = new ExchangeProgress();
        try (Peers peers = Peers.listen(Network.addressOf(environment), progress)) {
            Rendezvous rendezvous = Rendezvous.meet(environment, identity, peers);
            FailureDetector detector = new FailureDetector(environment.rank(), environment.timeout(), progress, peers);
            String address = peers.endpoint(environment.rank(), identity).address();
            try {
                DistributedRun processes =
                        new DistributedRun(environment, new Connection(rendezvous, detector, address));
                ProcessGroup everyone = processes.group(
                        new Layout(environment.world(), environment.rank(), 1, Sharding.NONE).everyone());
                T result = work.apply(processes);
                everyone.barrier("end of the run");
                processes.deleteRendezvousFile();
                return result;
            } catch (Throwable e) {
                peers.reportFailure("rank %d failed: %s"
                        .formatted(environment.rank(), e.getMessage() == null ? e : e.getMessage()));
                peers.awaitRankZero(Launcher.PATIENCE);
                throw e;
            }
        }
    }

    public int rank() {
        return environment.rank();
    }

    public int world() {
        return environment.world();
    }

    /**
     * Returns the group of these members, and connects it on the first call. All members must ask for their groups in the
     * same order.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if the members cannot be connected
     * @throws IllegalArgumentException if another group has the same name
     */
    public ProcessGroup group(Members members) {
        ProcessGroup known = groups.get(members.name());
        if (known != null) {
            if (!known.members().equals(members)) {
                throw new IllegalArgumentException(
                        "two groups are called " + members.name() + ": " + known.members() + ", " + members);
            }
            return known;
        }
        ProcessGroup made = connect(members);
        groups.put(members.name(), made);
        return made;
    }

    private ProcessGroup connect(Members members) {
        Connection to = connection;
        if (members.size() == 1 || to == null) {
            return ProcessGroup.alone(members);
        }
        Gloo gloo = to.rendezvous()
                .within(
                        "connecting group " + members.name(),
                        () -> new Gloo(members, to.rendezvous().store(), to.address(), environment.timeout()));
        CollectiveBackends backends = new CollectiveBackends(
                gloo, () -> new Nccl(members, to.rendezvous().store(), environment.timeout()));
        return new ProcessGroup(members, backends, to.detector(), null);
    }

    /** Deletes a rendezvous file, so that the next run does not find it. */
    private void deleteRendezvousFile() {
        if (environment.rank() == 0 && environment.meeting().getScheme().equals("file")) {
            try {
                Files.deleteIfExists(Path.of(environment.meeting()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
