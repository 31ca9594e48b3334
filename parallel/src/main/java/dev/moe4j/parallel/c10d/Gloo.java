package dev.moe4j.parallel.c10d;

import dev.moe4j.parallel.layout.Members;
import java.time.Duration;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.gloo.Device;

/**
 * A c10d process group on Gloo, for tensors on the CPU. It is never closed, because Gloo's threads may still be in a
 * transfer that was abandoned.
 */
public final class Gloo {

    /** Two collectives can run concurrently. */
    private static final int THREADS = 2;
    /** Gloo's timeout is longer than the run's timeout, which gives a better message. */
    private static final int TIMEOUT_FACTOR = 2;

    // Gloo refers to these objects, so they must stay reachable.
    private final Device device;
    private final PrefixStore store;
    private final ProcessGroupGloo.Options options;
    private final ProcessGroupGloo group;

    /** Connects the members. Returns when all members are connected. */
    public Gloo(Members members, Store base, String address, Duration timeout) {
        device = ProcessGroupGloo.createDeviceForHostname(address);
        store = new PrefixStore(members.name(), base);
        options = ProcessGroupGloo.Options.create(new Milliseconds(TIMEOUT_FACTOR * timeout.toMillis()));
        options.devices().push_back(device);
        options.threads(THREADS);
        group = StandardOutput.toErr(() -> new ProcessGroupGloo(store, members.index(), members.size(), options));
    }

    ProcessGroupGloo group() {
        return group;
    }
}
