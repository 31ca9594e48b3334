package dev.moe4j.tensor;

import java.util.ArrayList;
import java.util.List;

/** What a {@link Section.Written} saves in its forward pass for its backward pass, in order. */
public final class Saved {

    private final List<Tensor> tensors = new ArrayList<>();
    private final boolean recording;
    private final Scope scope;

    Saved(Scope scope, boolean recording) {
        this.scope = scope;
        this.recording = recording;
    }

    /** Whether backward will run: without it nothing need be computed for it. */
    public boolean recording() {
        return recording;
    }

    /** Saves tensors for backward. */
    public void save(Tensor... kept) {
        if (recording) {
            for (Tensor tensor : kept) {
                // A second handle, since the tensor may be an input or output that others own.
                tensors.add(scope.keep(tensor.detach()));
            }
        }
    }

    /** The saved tensor of the given number, in the order of saving. */
    public Tensor get(int index) {
        return tensors.get(index);
    }
}
