package dev.moe4j.parallel.c10d;

import dev.moe4j.parallel.layout.Members;
import java.time.Duration;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.gloo.Device;

/**
 * A process group of libtorch's c10d on Gloo, which moves tensors on the CPU. It lives as long as its process: Gloo's
 * threads may still be in a transfer that was given up.
 */
public final class Gloo {

    /** So that two exchanges can be under way. */
    private static final int THREADS = 2;
    /** Later than the run's own, which comes with a better message. */
    private static final int TIMEOUT_FACTOR = 2;

    // What Gloo refers to must not go before it.
    private final Device device;
    private final PrefixStore store;
    private final ProcessGroupGloo.Options options;
    private final ProcessGroupGloo group;

    /** Connects the members; returns when all of them are. */
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
