package dev.moe4j.tensor;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Numbers that a device computes now and the host reads later. Each read of a CUDA tensor synchronizes with the device.
 * A training step therefore records its metrics as deferred scalars and reads all of them in one copy at its end.
 */
public final class DeferredScalars {

    private @Nullable Tensor pending;
    private double[] values = {};

    private DeferredScalars(Tensor pending) {
        this.pending = pending;
    }

    /**
     * Records a tensor's current elements without synchronizing.
     *
     * @param owner the scope that keeps the elements until they are read
     */
    public static DeferredScalars of(Tensor tensor, Scope owner) {
        try (Scope _ = Scope.open()) {
            Tensor flat = tensor.detach().reshape(tensor.elements());
            return new DeferredScalars(
                    owner.keep(flat.dtype() == DType.FLOAT64 ? flat.copy() : flat.to(DType.FLOAT64)));
        }
    }

    /** Moves the elements to another scope if they are still unread; returns this. */
    public DeferredScalars keepIn(Scope owner) {
        if (pending != null) {
            owner.keep(pending);
        }
        return this;
    }

    /** Reads all unread scalars in one copy. Their tensors must be on the same device. */
    public static void read(List<DeferredScalars> scalars) {
        DeferredScalars[] unread =
                scalars.stream().filter(each -> each.pending != null).toArray(DeferredScalars[]::new);
        if (unread.length == 0) {
            return;
        }
        Tensor[] parts = Arrays.stream(unread).map(DeferredScalars::pending).toArray(Tensor[]::new);
        double[] all;
        try (Scope _ = Scope.open()) {
            all = Tensor.concat(0, parts).toDoubles();
        }
        int from = 0;
        for (int i = 0; i < unread.length; i++) {
            int count = (int) parts[i].elements();
            unread[i].values = Arrays.copyOfRange(all, from, from + count);
            unread[i].pending = null;
            parts[i].close();
            from += count;
        }
    }

    private Tensor pending() {
        Tensor tensor = pending;
        if (tensor == null || tensor.isClosed()) {
            throw new TensorException("deferred scalars were read after their scope closed; read them earlier");
        }
        return tensor;
    }

    /**
     * The numbers, which this reads if they are unread.
     *
     * @throws TensorException if the owner closed before the numbers were read
     */
    public double[] values() {
        read(List.of(this));
        return values;
    }

    /**
     * The only number, which this reads if it is unread.
     *
     * @throws TensorException if there is not exactly one number, or if the owner closed before it was read
     */
    public double value() {
        double[] all = values();
        if (all.length != 1) {
            throw new TensorException("expected a single deferred scalar, found " + all.length);
        }
        return all[0];
    }
}
