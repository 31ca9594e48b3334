package dev.moe4j.parallel.c10d;

import dev.moe4j.parallel.layout.Members;
import dev.moe4j.parallel.layout.ParallelException;
import java.time.Duration;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.PrefixStore;
import org.bytedeco.pytorch.Store;
import org.bytedeco.pytorch.global.torch_nccl;
import org.bytedeco.pytorch.nccl.ProcessGroupNCCL;

/**
 * A process group of libtorch's c10d on NCCL, which moves tensors between GPUs. Its natives are in libtorch's CUDA
 * artifact only, and its classes need those of {@code org.bytedeco:cuda}. A wait for one of its collectives holds the
 * device's stream up, not the host; NCCL's own watchdog ends a process whose collective outlasts the timeout.
 */
public final class Nccl {

    // What NCCL refers to must not go before it.
    private final PrefixStore store;
    private final ProcessGroupNCCL.Options options;
    private final ProcessGroupNCCL group;

    /** A group that connects its members at their first collective, on the device of its tensors. */
    public Nccl(Members members, Store base, Duration timeout) {
        try {
            Loader.load(torch_nccl.class);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | TypeNotPresentException e) {
            throw new ParallelException(
                    "libtorch's NCCL, which exchanges between GPUs need, cannot be loaded (" + e.getMessage()
                            + "): use a distribution with CUDA, which has org.bytedeco:cuda, and install libnccl.so.2",
                    e);
        }
        store = new PrefixStore("nccl-" + members.name(), base);
        options = ProcessGroupNCCL.Options.create();
        options.timeout(new Milliseconds(timeout.toMillis()));
        group = StandardOutput.toErr(() -> new ProcessGroupNCCL(store, members.index(), members.size(), options));
    }

    ProcessGroupNCCL group() {
        return group;
    }
}
