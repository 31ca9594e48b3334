package dev.moe4j.model.checkpoint;

import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.formats.safetensors.SafetensorsWriter;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Maps a model's tensors to their names in checkpoints. Writer and reader share this list. Also reads and writes the
 * files.
 */
public final class CheckpointTensors {

    /** The parameters' file in a checkpoint's folder. */
    public static final String MODEL_FILE = "model.safetensors";

    /** The file of the optimizer's moments. */
    public static final String OPTIMIZER_FILE = "optimizer.safetensors";

    /** The header's {@code __metadata__}, which Hugging Face's loader requires. */
    private static final Map<String, String> METADATA = Map.of("format", "pt");

    private CheckpointTensors() {}

    /**
     * A tensor with its name in the file.
     *
     * @param tensor a view of the model's memory; reading writes into it
     */
    public record Named(String name, Tensor tensor) {}

    /** The master weights and the buffers. The innermost scope owns the views. */
    public static List<Named> parameters(Parameters parameters) {
        List<Named> tensors = named(parameters, ParameterGroup::master, "");
        parameters.buffers().forEach(buffer -> tensors.add(new Named(buffer.name(), buffer.tensor())));
        return tensors;
    }

    /**
     * Copies the buffers to the host memory of the first process; the others get an empty list.
     *
     * @param owner owns the copies
     */
    public static List<Named> bufferCopies(LanguageModel model, Scope owner) {
        if (!model.parallelContext().leads()) {
            return List.of();
        }
        try (Scope _ = Scope.open()) {
            return model.parameters().buffers().stream()
                    .map(buffer -> new Named(
                            buffer.name(),
                            owner.keep(buffer.tensor().to(Device.CPU).copy())))
                    .toList();
        }
    }

    /**
     * The optimizer's states, under {@code <parameter>.<purpose>}. The innermost scope owns the views.
     *
     * @param purpose as in {@link ParameterGroup#state}, such as {@code exp_avg}
     */
    public static List<Named> states(Parameters parameters, String purpose) {
        return named(parameters, unit -> unit.state(purpose), "." + purpose);
    }

    /**
     * Each parameter's parts, as views of flat buffers of the groups, such as copies of them. The innermost scope owns
     * the views.
     *
     * @param suffix appended to the parts' names
     */
    public static List<Named> named(Parameters parameters, Function<ParameterGroup, Tensor> flat, String suffix) {
        List<Named> tensors = new ArrayList<>();
        for (ParameterGroup unit : parameters.units()) {
            Tensor buffer = flat.apply(unit);
            for (Parameter parameter : unit.parameters()) {
                add(tensors, parameter, unit.view(buffer, parameter), suffix);
            }
        }
        return tensors;
    }

    private static void add(List<Named> tensors, Parameter parameter, Tensor whole, String suffix) {
        List<String> parts = parameter.spec().partNames();
        for (int i = 0; i < parts.size(); i++) {
            tensors.add(new Named(parts.get(i) + suffix, parameter.part(whole, i)));
        }
    }

    /**
     * Writes the tensors to a file and forces it to disk.
     *
     * @return the SHA-256 of the file as 64 lower-case hexadecimal digits
     */
    public static String write(Path file, List<Named> tensors) {
        try (SafetensorsWriter writer = new SafetensorsWriter(file, METADATA)) {
            for (Named named : tensors) {
                writer.declare(
                        named.name(),
                        type(named.tensor().dtype()),
                        named.tensor().shape());
            }
            for (Named named : tensors) {
                try (Scope _ = Scope.open()) {
                    writer.write(
                            named.name(),
                            named.tensor().to(Device.CPU).contiguous().memory());
                }
            }
            return writer.commit();
        }
    }

    /**
     * Gathers one kind of buffer from all processes and copies it to the host memory of the first process; the others
     * get an empty list. All processes must call this. Apart from the copies, it needs memory for one group at a time.
     *
     * @param kept selects a group's buffer: the master weights or a state
     * @param suffix appended to the parts' names
     * @param owner owns the copies
     */
    public static List<Named> copies(
            LanguageModel model, Function<ParameterGroup, Tensor> kept, String suffix, Scope owner) {
        ParallelContext parallel = model.parallelContext();
        List<Named> tensors = new ArrayList<>();
        for (ParameterGroup unit : model.parameters().units()) {
            try (Scope _ = Scope.open()) {
                boolean partitioned = parallel.layout().expertParallel() > 1
                        && unit.parameters().getFirst().spec().stacked();
                Tensor whole =
                        model.exchangeOf(unit).whole(unit, kept.apply(unit)).to(Device.CPU);
                int holders = partitioned ? parallel.experts().members().size() : 1;
                Tensor all = whole;
                if (partitioned && parallel.experts().members().ranks().contains(0)) {
                    all = Tensor.empty(whole.dtype(), Device.CPU, holders * unit.elements());
                    parallel.experts()
                            .allGather(all, whole, "copy of " + unit.name())
                            .await();
                }
                if (parallel.leads()) {
                    add(tensors, unit, owner.keep(all.copy()), holders, suffix, owner);
                }
            }
        }
        return tensors;
    }

    /**
     * Adds the parts of a group that is partitioned over several processes. The buffer holds the processes' parts in
     * rank order.
     */
    private static void add(
            List<Named> tensors, ParameterGroup unit, Tensor all, int holders, String suffix, Scope owner) {
        for (Parameter parameter : unit.parameters()) {
            List<String> parts = parameter.spec().partNames();
            for (int holder = 0; holder < holders; holder++) {
                Tensor view = unit.view(all.narrow(0, holder * unit.elements(), unit.elements()), parameter);
                for (int i = 0; i < parts.size(); i++) {
                    String name = holders == 1
                            ? parts.get(i)
                            : ModelParameters.ofExpert(parts.get(i), holder * parts.size() + i);
                    tensors.add(new Named(name + suffix, owner.keep(parameter.part(view, i))));
                }
            }
        }
    }

    /**
     * Checks that a file has exactly these tensors.
     *
     * @throws ModelException if one is missing or unexpected
     */
    static void requireNames(SafetensorsFile file, Collection<String> names) {
        names.forEach(file::entry);
        refuseOthers(file.path(), file.names(), names);
    }

    /**
     * Reads this process's part of the parameters from a file.
     *
     * @param kept selects a group's buffer: the master weights or a state
     * @param suffix appended to the parts' names
     * @throws ModelException if a tensor is missing or has another shape
     */
    public static void read(
            SafetensorsFile file, Parameters parameters, Function<ParameterGroup, Tensor> kept, String suffix) {
        parameters.write(kept, (parameter, part, target) -> {
            SafetensorsFile.Entry entry =
                    file.entry(parameter.spec().parts().get(part).name() + suffix);
            requireFit(file.path(), entry, target.shape());
            copy(entry, target);
        });
    }

    /** Checks a stored tensor's shape, and that its type is a floating-point type. */
    static void requireFit(Path file, SafetensorsFile.Entry entry, long[] shape) {
        if (!Arrays.equals(entry.shape(), shape)) {
            throw new ModelException(file + ": tensor " + entry.name() + " has the shape "
                    + Arrays.toString(entry.shape()) + ", but the model expects " + Arrays.toString(shape));
        }
        switch (entry.type()) {
            case F64, F32, F16, BF16 -> {}
            default ->
                throw new ModelException(file + ": tensor " + entry.name() + " has the type " + entry.type()
                        + ", but a parameter must be F32, F64, F16 or BF16");
        }
    }

    /** Checks that all stored tensors are expected. */
    static void refuseOthers(Path file, Collection<String> stored, Collection<String> wanted) {
        Set<String> known = new HashSet<>(wanted);
        for (String name : stored) {
            if (!known.contains(name)) {
                throw new ModelException(file + ": the model has no tensor " + name
                        + "; the file belongs to another model or configuration");
            }
        }
    }

    static void copy(SafetensorsFile.Entry entry, Tensor target) {
        try (Scope _ = Scope.open()) {
            target.copy(Tensor.copyOf(entry.data(), dtype(entry.type()), Device.CPU, entry.shape()));
        }
    }

    private static SafetensorsFile.Type type(DType type) {
        return switch (type) {
            case FLOAT64 -> SafetensorsFile.Type.F64;
            case FLOAT32 -> SafetensorsFile.Type.F32;
            case BFLOAT16 -> SafetensorsFile.Type.BF16;
            case FLOAT16 -> SafetensorsFile.Type.F16;
            case INT64 -> SafetensorsFile.Type.I64;
            case INT32 -> SafetensorsFile.Type.I32;
            case UINT8 -> SafetensorsFile.Type.U8;
            case BOOL -> SafetensorsFile.Type.BOOL;
        };
    }

    private static DType dtype(SafetensorsFile.Type type) {
        return switch (type) {
            case F64 -> DType.FLOAT64;
            case F32 -> DType.FLOAT32;
            case BF16 -> DType.BFLOAT16;
            case F16 -> DType.FLOAT16;
            case I64 -> DType.INT64;
            case I32 -> DType.INT32;
            case U8 -> DType.UINT8;
            case BOOL -> DType.BOOL;
            case I16, I8 -> throw new ModelException("tensors of type " + type + " are not supported");
        };
    }
}
