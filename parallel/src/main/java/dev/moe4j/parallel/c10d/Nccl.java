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
 * A c10d process group on NCCL, for tensors on GPUs. Only libtorch's CUDA artifact has its native library, and its classes
 * need {@code org.bytedeco:cuda}. Waiting for an NCCL collective blocks the GPU stream and not the host. NCCL's watchdog
 * ends the process if a collective exceeds the timeout.
 */
public final class Nccl {

    // NCCL refers to these objects, so they must stay reachable.
    private final PrefixStore store;
    private final ProcessGroupNCCL.Options options;
    private final ProcessGroupNCCL group;

    /**
     * Creates the group. NCCL connects the members in their first collective, on the device of its tensors.
     *
     * @throws ParallelException if the NCCL library cannot be loaded
     */
    public Nccl(Members members, Store base, Duration timeout) {
        try {
            Loader.load(torch_nccl.class);
        } catch (UnsatisfiedLinkError | NoClassDefFoundError | TypeNotPresentException e) {
            throw new ParallelException(
                    "cannot load libtorch's NCCL, which collectives on GPUs need (" + e.getMessage()
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
