package dev.moe4j.parallel.c10d;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Backend;
import org.jspecify.annotations.Nullable;

/** The c10d backends of one group: Gloo for tensors on the CPU and NCCL for tensors on GPUs. NCCL is created on first use. */
public final class CollectiveBackends {

    private final Gloo gloo;
    private final Supplier<Nccl> connect;
    private @Nullable Nccl nccl;

    /**
     * @param connect creates the NCCL group; all members call it in the same collective
     */
    public CollectiveBackends(Gloo gloo, Supplier<Nccl> connect) {
        this.gloo = gloo;
        this.connect = connect;
    }

    public Backend cpu() {
        return gloo.group();
    }

    public Backend cuda() {
        Nccl known = nccl;
        if (known == null) {
            known = connect.get();
            nccl = known;
        }
        return known.group();
    }
}
