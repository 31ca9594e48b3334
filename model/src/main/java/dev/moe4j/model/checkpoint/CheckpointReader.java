package dev.moe4j.model.checkpoint;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.TemporaryName;
import dev.moe4j.base.text.NearestName;
import dev.moe4j.formats.safetensors.SafetensorsFile;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.parameter.Buffer;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/**
 * Reads models from checkpoint folders: those of moe4j (docs/checkpoint-format.md) and of Hugging Face's XGLM. {@link
 * #open} checks the configuration and every tensor's name, shape and position before it allocates memory for a model.
 * {@link #model} then reads the values. If anything does not fit, a {@link ModelException} names the file and the
 * tensor or key.
 */
public final class CheckpointReader implements AutoCloseable {

    private static final String INDEX_FILE = CheckpointTensors.MODEL_FILE + ".index.json";
    private static final String BEST = "best";

    private final Path folder;
    private final CheckpointConfig config;
    private final @Nullable CheckpointState state;
    private final List<SafetensorsFile> files = new ArrayList<>();
    private final Map<String, Stored> tensors = new LinkedHashMap<>();

    private record Stored(Path file, SafetensorsFile.Entry entry) {}

    private CheckpointReader(Path folder) {
        this.folder = folder;
        this.config = CheckpointConfig.read(folder);
        this.state = CheckpointState.read(folder);
    }

    /**
     * Opens and checks a checkpoint.
     *
     * @param path a checkpoint's folder; or a run's folder, for its newest checkpoint; or {@code RUN/best}, for the
     *     run's checkpoint with the lowest validation loss
     * @throws ModelException if there is no such checkpoint, or it is damaged, incomplete or of a newer version
     */
    public static CheckpointReader open(Path path) {
        CheckpointReader reader = new CheckpointReader(locate(path));
        try {
            reader.openFiles();
            reader.check();
            return reader;
        } catch (RuntimeException e) {
            reader.close();
            throw e;
        }
    }

    private static Path locate(Path path) {
        Path run = path.toAbsolutePath().getParent();
        if (path.endsWith(BEST) && !Files.exists(path) && run != null && Files.isDirectory(run)) {
            return best(path.getParent() == null ? Path.of("") : path.getParent());
        }
        if (!Files.isDirectory(path)) {
            throw new ModelException(path + " is not a folder; give the folder of a checkpoint or of a run");
        }
        if (path.toAbsolutePath().normalize().toString().endsWith(TemporaryName.ENDING)) {
            throw new ModelException(path + " is incomplete: its writer was interrupted; use an older checkpoint");
        }
        if (Files.exists(path.resolve(CheckpointConfig.FILE))) {
            return path;
        }
        return newest(path)
                .orElseThrow(() -> new ModelException(path + " holds no checkpoint: no " + CheckpointConfig.FILE
                        + " and no step-… folder; " + whatLiesIn(path)));
    }

    /** A run's checkpoint with the lowest validation loss, which its newest checkpoint names. */
    private static Path best(Path run) {
        Path newest = newest(run).orElseThrow(() -> new ModelException(run + " holds no checkpoint: no step-… folder"));
        JsonNode step = state(newest).at("/metrics/best/step");
        if (!step.isIntegralNumber()) {
            throw new ModelException(
                    run + " has no best checkpoint, because the run has not been validated; use " + newest);
        }
        Path best = CheckpointStep.folder(run, step.longValue());
        if (!Files.isDirectory(best)) {
            throw new ModelException(best
                    + " is the best checkpoint of its run, but was not kept (checkpoint.keep_best); use " + newest);
        }
        return best;
    }

    /** The newest checkpoint in a run's folder; empty if there is none. */
    public static Optional<Path> newest(Path run) {
        return steps(run).stream().findFirst().map(CheckpointStep::folder);
    }

    /** The complete checkpoints in a run's folder, newest first. */
    public static List<CheckpointStep> steps(Path run) {
        try (Stream<Path> children = Files.list(run)) {
            return children.flatMap(child -> CheckpointStep.of(child).stream())
                    .sorted(Comparator.comparingLong(CheckpointStep::step).reversed())
                    .toList();
        } catch (IOException e) {
            throw new ModelException("Cannot read " + run + ": " + DataException.reason(e), e);
        }
    }

    private static String whatLiesIn(Path folder) {
        try (Stream<Path> children = Files.list(folder)) {
            String names = children.map(child -> child.getFileName().toString())
                    .sorted()
                    .limit(5)
                    .collect(Collectors.joining(", "));
            return names.isEmpty() ? "it is empty" : "it has " + names;
        } catch (IOException e) {
            throw new ModelException("Cannot read " + folder + ": " + DataException.reason(e), e);
        }
    }

    private void openFiles() {
        Path index = folder.resolve(INDEX_FILE);
        Path whole = folder.resolve(CheckpointTensors.MODEL_FILE);
        if (Files.exists(whole) || !Files.exists(index)) {
            SafetensorsFile file = openFile(whole);
            file.names().forEach(name -> tensors.put(name, new Stored(whole, file.entry(name))));
        } else {
            openShards(index);
        }
        checkSums();
    }

    @SuppressWarnings("MustBeClosedChecker") // close() closes them
    private SafetensorsFile openFile(Path path) {
        SafetensorsFile file = SafetensorsFile.open(path);
        files.add(file);
        return file;
    }

    private void openShards(Path index) {
        Map<String, SafetensorsFile> shards = new LinkedHashMap<>();
        JsonNode map = CheckpointConfig.parse(index).path("weight_map");
        for (var entry : map.properties()) {
            String name = entry.getValue().asString("");
            if (!name.matches("[A-Za-z0-9_][A-Za-z0-9_.-]*")) {
                throw new ModelException(index + ": tensor " + entry.getKey() + " lies in '" + name
                        + "', which is not a plain file name");
            }
            SafetensorsFile shard = shards.computeIfAbsent(name, file -> openFile(folder.resolve(file)));
            tensors.put(entry.getKey(), new Stored(shard.path(), shard.entry(entry.getKey())));
        }
        for (SafetensorsFile shard : shards.values()) {
            for (String name : shard.names()) {
                Stored listed = tensors.get(name);
                if (listed == null || !listed.file().equals(shard.path())) {
                    throw new ModelException(index + " does not list tensor " + name + " of " + shard.path());
                }
            }
        }
        if (shards.isEmpty()) {
            throw new ModelException(index + ": weight_map names no tensor");
        }
    }

    /** Verifies sizes and hashes against state.json, if there is one; model folders have none. */
    private void checkSums() {
        if (state != null) {
            state.check(folder.resolve(CheckpointConfig.FILE));
            files.forEach(state::check);
        }
    }

    /** Checks names and shapes. Allocates no more memory than the files' headers did. */
    private void check() {
        ModelConfig model = config.architecture().model();
        if (model.experts() > tensors.size() || model.layers() > tensors.size()) {
            throw new ModelException(folder.resolve(CheckpointConfig.FILE) + ": " + model.layers() + " layers with "
                    + model.experts() + " experts need more than the " + tensors.size() + " tensors stored");
        }
        Set<String> wanted = new HashSet<>();
        ModelParameters.groups(model)
                .forEach(unit -> unit.specs().forEach(spec -> {
                    for (int part = 0; part < spec.parts().size(); part++) {
                        Stored stored = stored(spec.parts().get(part).name());
                        CheckpointTensors.requireFit(stored.file(), stored.entry(), spec.partShape(part));
                        wanted.add(stored.entry().name());
                    }
                }));
        ModelParameters.buffers(config.architecture()).forEach(buffer -> {
            Stored stored = stored(buffer.name());
            CheckpointTensors.requireFit(stored.file(), stored.entry(), buffer.shape());
            wanted.add(buffer.name());
        });
        if (config.tokenizer() == null && model.tied() && tensors.containsKey(ModelParameters.HEAD)) {
            requireTied(stored(ModelParameters.HEAD), stored(ModelParameters.EMBEDDING));
            wanted.add(ModelParameters.HEAD);
        }
        for (SafetensorsFile file : files) {
            CheckpointTensors.refuseOthers(file.path(), file.names(), wanted);
        }
    }

    private static void requireTied(Stored head, Stored embedding) {
        if (head.entry().type() != embedding.entry().type()
                || head.entry().data().mismatch(embedding.entry().data()) >= 0) {
            throw new ModelException(head.file() + ": " + ModelParameters.HEAD
                    + " differs from the embedding, but tie_word_embeddings is true");
        }
    }

    private Stored stored(String name) {
        Stored stored = tensors.get(name);
        if (stored != null) {
            return stored;
        }
        List<String> nearest = NearestName.names(name, tensors.keySet(), 3);
        throw new ModelException(folder + ": the tensor " + name + " is missing"
                + (nearest.isEmpty() ? "" : "; the nearest stored names: " + String.join(", ", nearest)));
    }

    /** The checkpoint's folder. */
    public Path folder() {
        return folder;
    }

    /**
     * A SHA-256 over the configuration and the parameter files, which identifies the model. 64 lower-case hexadecimal
     * digits.
     */
    public String digest() {
        List<String> sums = new ArrayList<>();
        try {
            sums.add(Sha256.of(Files.readString(folder.resolve(CheckpointConfig.FILE))));
        } catch (IOException e) {
            throw new ModelException(
                    "Cannot read " + folder.resolve(CheckpointConfig.FILE) + ": " + DataException.reason(e), e);
        }
        files.forEach(file -> sums.add(file.sha256()));
        return Sha256.of(String.join("\n", sums));
    }

    public Architecture architecture() {
        return config.architecture();
    }

    /** The tokenizer that the model was trained with; null in a foreign folder, for which the caller must supply it. */
    public @Nullable TokenizerSpec tokenizer() {
        return config.tokenizer();
    }

    /**
     * The training state of state.json, with its checksum verified.
     *
     * @throws ModelException in a model folder, which lacks a state
     */
    public JsonNode state() {
        return json(state, folder);
    }

    /** As {@link #state()}, for a checkpoint whose other files are not checked. */
    public static JsonNode state(Path checkpoint) {
        return json(CheckpointState.read(checkpoint), checkpoint);
    }

    private static JsonNode json(@Nullable CheckpointState state, Path folder) {
        if (state == null) {
            throw new ModelException(folder + " has no " + CheckpointState.FILE
                    + ": the model can be evaluated and used to generate text, but training cannot be resumed from it");
        }
        return state.json();
    }

    /**
     * Reads the optimizer's state into the parameter groups.
     *
     * @param purposes names as in {@link dev.moe4j.tensor.parameter.ParameterGroup#state}
     * @throws ModelException if a tensor is missing, unexpected or of another shape, or the file is damaged
     */
    public void readStates(Parameters parameters, List<String> purposes) {
        Path path = folder.resolve(CheckpointTensors.OPTIMIZER_FILE);
        try (SafetensorsFile file = SafetensorsFile.open(path);
                Scope _ = Scope.open()) {
            if (state != null) {
                state.check(file);
            }
            List<String> names = new ArrayList<>();
            ModelParameters.groups(architecture().model())
                    .flatMap(unit -> unit.specs().stream())
                    .flatMap(spec -> spec.partNames().stream())
                    .forEach(part -> purposes.forEach(purpose -> names.add(part + "." + purpose)));
            CheckpointTensors.requireNames(file, names);
            for (String purpose : purposes) {
                CheckpointTensors.read(file, parameters, unit -> unit.state(purpose), "." + purpose);
            }
        }
    }

    /**
     * A model with the stored values. The caller closes it.
     *
     * @throws ModelException if a value cannot be read
     */
    public LanguageModel model(Precision precision, Device device) {
        return model(architecture(), precision, device);
    }

    /**
     * A model with the stored values and a different architecture that has the same parameters, for example another
     * dropout or load balancing loss. The caller closes it.
     *
     * @throws ModelException if a parameter is missing or has another shape
     */
    public LanguageModel model(Architecture architecture, Precision precision, Device device) {
        return model(architecture, precision, device, ParallelContext.SINGLE, ExpertGradients.EXACT);
    }

    /**
     * This process's part of a model, otherwise as {@link #model(Architecture, Precision, Device)}.
     *
     * @param parallel the process groups of data parallel and expert parallel execution
     * @param rule how experts' gradients are scaled
     */
    public LanguageModel model(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext parallel,
            ExpertGradients rule) {
        LanguageModel model = LanguageModel.blank(architecture, precision, device, parallel, rule);
        try {
            model.parameters().write(ParameterGroup::master, (parameter, part, target) -> {
                Stored stored = stored(parameter.spec().parts().get(part).name());
                CheckpointTensors.requireFit(stored.file(), stored.entry(), target.shape());
                CheckpointTensors.copy(stored.entry(), target);
            });
            model.parameters().refresh();
            for (Buffer buffer : model.parameters().buffers()) {
                Stored stored = stored(buffer.name());
                CheckpointTensors.requireFit(
                        stored.file(), stored.entry(), buffer.tensor().shape());
                CheckpointTensors.copy(stored.entry(), buffer.tensor());
            }
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    @Override
    public void close() {
        files.forEach(SafetensorsFile::close);
    }
}
