package dev.moe4j.train.checkpoint;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.checkpoint.CheckpointTensors;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.train.optimizer.AdamW;
import java.util.ArrayList;
import java.util.List;

/**
 * A copy of a model's master weights and optimizer moments at one step, in host memory, so that training can continue
 * while the copy is written. The first process holds the copy of the complete (unsharded) state; the other processes
 * hold nothing.
 */
public final class Snapshot implements AutoCloseable {

    private final Architecture architecture;
    private final DType master;
    private final Scope scope;
    private final List<CheckpointTensors.Named> model;
    private final List<CheckpointTensors.Named> optimizer = new ArrayList<>();

    /**
     * @param scope owns the copies
     */
    private Snapshot(LanguageModel model, Scope scope) {
        this.scope = scope;
        this.architecture = model.architecture();
        this.master = model.parameters().precision().master();
        this.model = new ArrayList<>(CheckpointTensors.copies(model, ParameterGroup::master, "", scope));
        this.model.addAll(CheckpointTensors.bufferCopies(model, scope));
        for (String moment : AdamW.MOMENTS) {
            optimizer.addAll(CheckpointTensors.copies(model, unit -> unit.state(moment), "." + moment, scope));
        }
    }

    /** Makes a snapshot on demand. */
    @FunctionalInterface
    public interface Source {
        Snapshot snapshot();
    }

    /** Copies a model, which must not change meanwhile. All processes must call this together. */
    public static Snapshot of(LanguageModel model) {
        return Scope.owner(scope -> new Snapshot(model, scope));
    }

    Architecture architecture() {
        return architecture;
    }

    /** The type of the master weights. */
    DType master() {
        return master;
    }

    /** The master weights. */
    List<CheckpointTensors.Named> model() {
        return model;
    }

    /** The moments. */
    List<CheckpointTensors.Named> optimizer() {
        return optimizer;
    }

    @Override
    public void close() {
        scope.close();
    }
}
