package dev.moe4j.train.config;

import dev.moe4j.config.ConfigReader;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.sample.TrainingSequences;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.hardware.AutoPrecision;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import tools.jackson.databind.JsonNode;

/**
 * The complete configuration of a training run, apart from its data and its length. Every value starts from a preset,
 * and a YAML file or {@code KEY=VALUE} overrides change it.
 *
 * @param preset the name of the preset that the other values started from
 * @param precision {@code bf16}, {@code fp16}, {@code fp32} or {@code fp64}; {@code auto} chooses among the first three
 *     the one with the fastest matrix products on the device
 * @param recompute which activations the backward pass recomputes to save memory (activation recomputation)
 * @param seed seed of initialisation, data order, dropout and random routing
 */
public record RunConfig(
        String preset,
        ModelConfig model,
        RoutingConfig routing,
        BalanceConfig balance,
        OptimizerConfig optimizer,
        ScheduleConfig schedule,
        BatchConfig batch,
        DataConfig data,
        ParallelConfig parallel,
        LogConfig log,
        CheckpointPolicy checkpoint,
        EvaluationConfig evaluation,
        WatchConfig watch,
        String precision,
        LossScaleConfig lossScale,
        Recompute recompute,
        long seed) {

    private static final String PRESET = "preset";

    /** The preset that a configuration file without the key {@code preset} starts from. */
    public static final String DEFAULT_PRESET = "cpu-tiny-moe";

    /** The precision that is chosen by the device. */
    public static final String AUTO = "auto";

    public RunConfig {
        if (!precision.equals(AUTO)) {
            Precision _ = Precision.parse(precision);
        }
    }

    /**
     * The run configuration of a preset, with its training recipe.
     *
     * @throws dev.moe4j.model.spec.ModelException if no preset has this name
     */
    public static RunConfig preset(String name) {
        return Recipes.run(name);
    }

    /**
     * Reads a run configuration.
     *
     * @param nameOrFile a preset's name or a YAML file
     * @param overrides strings {@code dotted.key=value}
     * @throws TrainException if {@code nameOrFile} is a folder
     * @throws dev.moe4j.model.spec.ModelException if the preset, a key or a value is not valid
     */
    public static RunConfig read(String nameOrFile, List<String> overrides) {
        Path file = Path.of(nameOrFile);
        if (Files.isDirectory(file) && !Presets.names().contains(nameOrFile)) {
            throw new TrainException(nameOrFile + " is a folder; give a preset's name or a YAML file, such as a run's "
                    + RunFolder.CONFIG);
        }
        return isFile(nameOrFile)
                ? ConfigReader.read(PRESET, DEFAULT_PRESET, RunConfig::preset, file, overrides)
                : ConfigReader.read(preset(nameOrFile), null, overrides);
    }

    /**
     * Whether {@link #read} treats the argument as a file. A folder does not count, since a run's folder may have the
     * name of its preset.
     */
    public static boolean isFile(String nameOrFile) {
        Path file = Path.of(nameOrFile);
        return !Files.isDirectory(file) && (ConfigReader.isFile(nameOrFile) || Files.exists(file));
    }

    /**
     * Whether the configuration that {@link #read} reads names a preset; otherwise it is based on {@link
     * #DEFAULT_PRESET}.
     */
    public static boolean namesPreset(String nameOrFile, List<String> overrides) {
        return !isFile(nameOrFile) || ConfigReader.gives(PRESET, Path.of(nameOrFile), overrides);
    }

    /**
     * Reads the configuration stored in a checkpoint. Keys that are newer than the checkpoint have their defaults.
     *
     * @param source the file's name in error messages
     */
    public static RunConfig ofJson(JsonNode json, String source) {
        return ConfigReader.fromJson(preset(json.path(PRESET).asString(DEFAULT_PRESET)), json, source);
    }

    /**
     * The architecture of the model. If the vocabulary size still depends on the data's tokenizer, it is the preset's.
     */
    public Architecture architecture() {
        ModelConfig known = model.vocabulary() == ModelConfig.OF_TOKENIZER
                ? model.withVocabulary(Presets.architecture(preset).model().vocabulary())
                : model;
        return new Architecture(known, routing, balance);
    }

    /** The precision of the run; {@code auto} is resolved for the device. */
    public Precision resolvePrecision(Device device) {
        return precision(precision, device);
    }

    /**
     * Cuts data into this run's training sequences.
     *
     * @throws dev.moe4j.text.DataException if there is too little text, or if document boundaries are needed and the
     *     data does not mark them
     */
    public TrainingSequences sequences(TrainingData text) {
        if (data.packs()) {
            text.checkEnds();
        }
        return text.sequences(data.sequences(), model.context(), data.weights(), seed);
    }

    /** Parses a precision; {@code auto} is resolved for the device. */
    public static Precision precision(String name, Device device) {
        return name.equals(AUTO) ? AutoPrecision.of(device).precision() : Precision.parse(name);
    }

    /**
     * Adapts the model's vocabulary to the data's tokenizer, unless this configuration sets the vocabulary.
     *
     * @param entries number of entries of the tokenizer
     * @throws TrainException if the configured vocabulary is too small
     */
    public RunConfig forVocabulary(int entries) {
        int padded = ModelConfig.paddedVocabulary(entries);
        if (model.vocabulary() == ModelConfig.OF_TOKENIZER) {
            return with(model.withVocabulary(padded), precision);
        }
        if (model.vocabulary() < padded) {
            throw new TrainException(
                    "model.vocabulary: " + model.vocabulary() + " is too small for the data's tokenizer, which has "
                            + entries + " entries; leave the key out or use at least " + padded);
        }
        return this;
    }

    public RunConfig withPrecision(Precision resolved) {
        return with(model, resolved.name());
    }

    private RunConfig with(ModelConfig newModel, String newPrecision) {
        return new RunConfig(
                preset,
                newModel,
                routing,
                balance,
                optimizer,
                schedule,
                batch,
                data,
                parallel,
                log,
                checkpoint,
                evaluation,
                watch,
                newPrecision,
                lossScale,
                recompute,
                seed);
    }

    public RunConfig withSeed(long newSeed) {
        return new RunConfig(
                preset,
                model,
                routing,
                balance,
                optimizer,
                schedule,
                batch,
                data,
                parallel,
                log,
                checkpoint,
                evaluation,
                watch,
                precision,
                lossScale,
                recompute,
                newSeed);
    }
}
