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
 * A model and its optimizer's moments as they were at one step, copied into the host's memory, so that they can be
 * written while training goes on. Takes as much memory as masters and moments do, of all processes in the first, and in
 * others none.
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
        this.model = CheckpointTensors.copies(model, ParameterGroup::master, "", scope);
        for (String moment : AdamW.MOMENTS) {
            optimizer.addAll(CheckpointTensors.copies(model, unit -> unit.state(moment), "." + moment, scope));
        }
    }

    /** Makes a snapshot when asked to. */
    @FunctionalInterface
    public interface Source {
        Snapshot snapshot();
    }

    /** Copies a model that is not being changed; all processes must come here. */
    public static Snapshot of(LanguageModel model) {
        return Scope.owner(scope -> new Snapshot(model, scope));
    }

    Architecture architecture() {
        return architecture;
    }

    /** The masters' type. */
    DType master() {
        return master;
    }

    /** The parameters' master values. */
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
