package dev.moe4j.parallel.c10d;

import java.util.function.Supplier;
import org.bytedeco.pytorch.Backend;
import org.jspecify.annotations.Nullable;

/** What moves a group's tensors: Gloo those on the CPU, NCCL those on GPUs, which is there from its first use on. */
public final class Backends {

    private final Gloo gloo;
    private final Supplier<Nccl> connect;
    private @Nullable Nccl nccl;

    /**
     * @param connect makes the NCCL group; all members come to it at the same collective
     */
    public Backends(Gloo gloo, Supplier<Nccl> connect) {
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
