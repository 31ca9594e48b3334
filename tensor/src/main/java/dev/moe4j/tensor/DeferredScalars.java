package dev.moe4j.tensor;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Numbers that a device computes now and the host wants later. Reading a tensor waits on CUDA until the device has
 * computed all that was asked of it, so a step notes its figures and reads all of them at its end, by one copy.
 */
public final class DeferredScalars {

    private @Nullable Tensor waiting;
    private double[] values = {};

    private DeferredScalars(Tensor waiting) {
        this.waiting = waiting;
    }

    /**
     * Notes a tensor's elements as they are now, without waiting for them.
     *
     * @param owner keeps them until they are read
     */
    public static DeferredScalars of(Tensor tensor, Scope owner) {
        try (Scope _ = Scope.open()) {
            Tensor flat = tensor.detach().reshape(tensor.elements());
            return new DeferredScalars(
                    owner.keep(flat.dtype() == DType.FLOAT64 ? flat.copy() : flat.to(DType.FLOAT64)));
        }
    }

    /** Moves what is not yet read to another owner; returns this. */
    public DeferredScalars keepIn(Scope owner) {
        if (waiting != null) {
            owner.keep(waiting);
        }
        return this;
    }

    /** Reads those that are not read yet, of one device, by one copy. */
    public static void read(List<DeferredScalars> figures) {
        DeferredScalars[] unread =
                figures.stream().filter(figure -> figure.waiting != null).toArray(DeferredScalars[]::new);
        if (unread.length == 0) {
            return;
        }
        Tensor[] parts = Arrays.stream(unread).map(DeferredScalars::waiting).toArray(Tensor[]::new);
        double[] all;
        try (Scope _ = Scope.open()) {
            all = Tensor.concat(0, parts).toDoubles();
        }
        int from = 0;
        for (int i = 0; i < unread.length; i++) {
            int count = (int) parts[i].elements();
            unread[i].values = Arrays.copyOfRange(all, from, from + count);
            unread[i].waiting = null;
            parts[i].close();
            from += count;
        }
    }

    private Tensor waiting() {
        Tensor tensor = waiting;
        if (tensor == null || tensor.isClosed()) {
            throw new TensorException("a figure is wanted whose scope closed before it was read");
        }
        return tensor;
    }

    /** The numbers; reads them if nothing has. */
    public double[] values() {
        read(List.of(this));
        return values;
    }

    /** The only number. */
    public double value() {
        double[] all = values();
        if (all.length != 1) {
            throw new TensorException("a figure of " + all.length + " numbers was asked for its only one");
        }
        return all[0];
    }
}
