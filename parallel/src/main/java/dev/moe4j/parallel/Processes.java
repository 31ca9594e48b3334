package dev.moe4j.parallel;

import dev.moe4j.parallel.c10d.Backends;
import dev.moe4j.parallel.c10d.Gloo;
import dev.moe4j.parallel.c10d.Nccl;
import dev.moe4j.parallel.health.Identity;
import dev.moe4j.parallel.health.Journal;
import dev.moe4j.parallel.health.Peers;
import dev.moe4j.parallel.launch.Launcher;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.parallel.rendezvous.Environment;
import dev.moe4j.parallel.rendezvous.FailureDetector;
import dev.moe4j.parallel.rendezvous.Network;
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
 * The processes of one run, as one of them sees them: where groups come from. With one process there is no rendezvous,
 * no socket and no c10d.
 */
public final class Processes {

    /** How this process is connected to others. */
    private record Connection(Rendezvous rendezvous, FailureDetector watch, String address) {}

    private final Environment environment;
    private final @Nullable Connection connection;
    private final Map<String, ProcessGroup> groups = new HashMap<>();

    private Processes(Environment environment, @Nullable Connection connection) {
        this.environment = environment;
        this.connection = connection;
    }

    /**
     * Meets the other processes, does {@code work}, and waits until all have done theirs. If this one fails it tells the
     * others before it throws, so that they end as well. It throws after rank 0 has ended, which may have to write a
     * checkpoint.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if ranks are missing, differ in {@code identity}, or are lost; it names the rank
     */
    public static <T> T run(Environment environment, Identity identity, Function<Processes, T> work) {
        if (!environment.isDistributed()) {
            return work.apply(new Processes(environment, null));
        }
        Libtorch.load();
        Journal journal = new Journal();
        try (Peers peers = Peers.listen(Network.addressOf(environment), journal)) {
            Rendezvous rendezvous = Rendezvous.meet(environment, identity, peers);
            FailureDetector watch = new FailureDetector(environment.rank(), environment.timeout(), journal, peers);
            String address = peers.card(environment.rank(), identity).address();
            try {
                Processes processes = new Processes(environment, new Connection(rendezvous, watch, address));
                ProcessGroup everyone = processes.group(
                        new Layout(environment.world(), environment.rank(), 1, Sharding.NONE).everyone());
                T result = work.apply(processes);
                everyone.barrier("end of the run");
                processes.clean();
                return result;
            } catch (Throwable e) {
                peers.tell("rank %d failed: %s"
                        .formatted(environment.rank(), e.getMessage() == null ? e : e.getMessage()));
                peers.awaitFirst(Launcher.PATIENCE);
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
     * The group of these members, which all of them ask for in the same order. The first time connects them.
     *
     * @throws dev.moe4j.parallel.layout.ParallelException if they cannot be connected
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
        Backends backends =
                new Backends(gloo, () -> new Nccl(members, to.rendezvous().store(), environment.timeout()));
        return new ProcessGroup(members, backends, to.watch(), null);
    }

    /** A file where ranks met must not be found by the next run. */
    private void clean() {
        if (environment.rank() == 0 && environment.meeting().getScheme().equals("file")) {
            try {
                Files.deleteIfExists(Path.of(environment.meeting()));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
