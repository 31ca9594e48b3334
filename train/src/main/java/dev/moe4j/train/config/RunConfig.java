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
 * Everything that decides a training run but its text and its length. A YAML file sets any of it, and so does {@code
 * --set KEY=VALUE}; what neither sets is the preset's.
 *
 * @param preset the name of the preset that the others started from
 * @param precision {@code bf16}, {@code fp16}, {@code fp32}, {@code fp64}, or {@code auto} for the one but the last whose
 *     products are fastest on the device
 * @param recompute what backward computes again to save memory
 * @param seed of initialisation, data order, dropout and random routing
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

    /** The precision that follows from the device. */
    public static final String AUTO = "auto";

    public RunConfig {
        if (!precision.equals(AUTO)) {
            Precision _ = Precision.parse(precision);
        }
    }

    /**
     * The run of a preset, with its own recipe.
     *
     * @throws dev.moe4j.model.spec.ModelException if there is none of that name
     */
    public static RunConfig preset(String name) {
        return Recipes.run(name);
    }

    /**
     * Reads a run.
     *
     * @param nameOrFile a preset's name or a YAML file
     * @param overrides texts {@code dotted.key=value}
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

    /** Whether {@link #read} takes that for a file; a run's folder may be called as its preset is. */
    public static boolean isFile(String nameOrFile) {
        Path file = Path.of(nameOrFile);
        return !Files.isDirectory(file) && (ConfigReader.isFile(nameOrFile) || Files.exists(file));
    }

    /** Whether what {@link #read} reads names its preset; else it is based on {@link #DEFAULT_PRESET}. */
    public static boolean namesPreset(String nameOrFile, List<String> overrides) {
        return !isFile(nameOrFile) || ConfigReader.gives(PRESET, Path.of(nameOrFile), overrides);
    }

    /**
     * The run that a checkpoint was written by; keys that it did not know yet have their defaults.
     *
     * @param source what errors call it
     */
    public static RunConfig ofJson(JsonNode json, String source) {
        return ConfigReader.fromJson(preset(json.path(PRESET).asString(DEFAULT_PRESET)), json, source);
    }

    /** The model of this run. Until data decides the vocabulary, the model has that of the preset. */
    public Architecture architecture() {
        ModelConfig known = model.vocabulary() == ModelConfig.OF_TOKENIZER
                ? model.withVocabulary(Presets.architecture(preset).model().vocabulary())
                : model;
        return new Architecture(known, routing, balance);
    }

    /** The run's precision; {@code auto} follows from the device. */
    public Precision resolvePrecision(Device device) {
        return precision(precision, device);
    }

    /**
     * The sequences of that data which the run trains on.
     *
     * @throws dev.moe4j.text.DataException if it has too little text for them, or documents that cannot be told apart
     *     where the model has to know them
     */
    public TrainingSequences sequences(TrainingData text) {
        if (data.packs()) {
            text.checkEnds();
        }
        return text.sequences(data.sequences(), model.context(), data.weights(), seed);
    }

    /** The precision of that name; {@code auto} follows from the device. */
    public static Precision precision(String name, Device device) {
        return name.equals(AUTO) ? AutoPrecision.of(device).precision() : Precision.parse(name);
    }

    /**
     * The run for data of a tokenizer. The model takes the tokenizer's vocabulary unless this run has one.
     *
     * @param entries of the tokenizer
     * @throws TrainException if this run's vocabulary is too small
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
