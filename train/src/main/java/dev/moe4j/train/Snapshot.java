package dev.moe4j.train;

import dev.moe4j.model.Architecture;
import dev.moe4j.model.CheckpointTensors;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.Unit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * A model and its optimizer's moments as they were at one step, copied into the host's memory, so that they can be
 * written while training goes on. Takes as much memory as masters and moments do.
 */
final class Snapshot implements AutoCloseable {

    private final Architecture architecture;
    private final Parameters parameters;
    private final TrainingState state;
    private final Scope scope = Scope.detached();
    private final Map<Unit, Tensor> masters = new HashMap<>();
    private final Map<String, Map<Unit, Tensor>> moments = new HashMap<>();

    private Snapshot(LanguageModel model, TrainingState state) {
        this.architecture = model.architecture();
        this.parameters = model.parameters();
        this.state = state;
        try (Scope _ = Scope.open()) {
            for (Unit unit : parameters.units()) {
                masters.put(unit, copy(unit.master()));
                for (String moment : AdamW.MOMENTS) {
                    moments.computeIfAbsent(moment, _ -> new HashMap<>()).put(unit, copy(unit.state(moment)));
                }
            }
        }
    }

    /** Makes a snapshot when asked to. */
    @FunctionalInterface
    interface Source {
        Snapshot snapshot();
    }

    /** Copies a model that is not being changed. */
    static Snapshot of(LanguageModel model, TrainingState state) {
        return new Snapshot(model, state);
    }

    private Tensor copy(Tensor tensor) {
        return scope.keep(tensor.device().isCuda() ? tensor.to(Device.CPU) : tensor.copy());
    }

    Architecture architecture() {
        return architecture;
    }

    Parameters parameters() {
        return parameters;
    }

    TrainingState state() {
        return state;
    }

    /** The parameters' master values. The views belong to the innermost scope. */
    List<CheckpointTensors.Named> model() {
        return CheckpointTensors.named(parameters, unit -> of(masters, unit), "");
    }

    /** The moments. The views belong to the innermost scope. */
    List<CheckpointTensors.Named> optimizer() {
        List<CheckpointTensors.Named> tensors = new ArrayList<>();
        for (String moment : AdamW.MOMENTS) {
            Map<Unit, Tensor> copies = Objects.requireNonNull(moments.get(moment));
            tensors.addAll(CheckpointTensors.named(parameters, unit -> of(copies, unit), "." + moment));
        }
        return tensors;
    }

    private static Tensor of(Map<Unit, Tensor> copies, Unit unit) {
        return Objects.requireNonNull(copies.get(unit));
    }

    @Override
    public void close() {
        scope.close();
    }
}
