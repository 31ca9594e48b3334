package dev.moe4j.model.checkpoint;

import dev.moe4j.base.text.FirstLine;
import dev.moe4j.config.ConfigException;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.config.ConfigWriter;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.model.spec.TokenizerSpec;
import dev.moe4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.JsonNodeFactory;
import tools.jackson.databind.node.ObjectNode;

/**
 * A checkpoint's {@code config.json}: the keys of Hugging Face's XGLM, and a block {@code moe4j} for everything that
 * XGLM's keys cannot express. docs/checkpoint-format.md describes the format.
 *
 * @param tokenizer null in a foreign folder, which lacks the block {@code moe4j}
 */
public record CheckpointConfig(
        Architecture architecture, @Nullable TokenizerSpec tokenizer) {

    /** The version of the format that this code writes and the latest that it reads. */
    public static final int FORMAT_VERSION = 2;

    /**
     * The version that introduced each key of the block {@code moe4j}, for keys that the first version lacks. Where an
     * older file lacks a key, the model has the published block, which was the only one before.
     */
    private static final Map<String, Integer> INTRODUCED = Map.of(
            "moe4j.model.dense_layers", 2,
            "moe4j.model.norm", 2,
            "moe4j.model.rope", 2,
            "moe4j.model.attention", 2,
            "moe4j.model.feed_forward", 2,
            "moe4j.model.shared", 2,
            "moe4j.model.multipliers", 2,
            "moe4j.routing.gate", 2);

    /** The file's name in a checkpoint's folder. */
    public static final String FILE = "config.json";

    private static final String BLOCK = "moe4j";
    private static final String XGLM = "xglm";
    /** A tensor index is the largest JSON file: it has a line for each parameter of each expert. */
    private static final long MAX_BYTES = 64 << 20;

    /** Keys that do not affect what the model computes, so another value is not a contradiction. */
    private static final Set<String> INFORMATION =
            Set.of("architectures", "use_cache", "torch_dtype", "init_std", "bos_token_id");

    private static final JsonMapper JSON = JsonMapper.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    public CheckpointConfig {
        if (tokenizer != null && tokenizer.vocabulary() > architecture.model().vocabulary()) {
            throw new ModelException("the tokenizer " + tokenizer.name() + " has " + tokenizer.vocabulary()
                    + " entries, more than the model's vocabulary of "
                    + architecture.model().vocabulary());
        }
    }

    /**
     * The file's content as JSON text.
     *
     * @param stored the element type of the stored parameters
     */
    public String text(DType stored) {
        return JSON.writerWithDefaultPrettyPrinter().writeValueAsString(toJson(stored));
    }

    ObjectNode toJson(DType stored) {
        ObjectNode json = xglm();
        json.put("torch_dtype", stored.name().toLowerCase(Locale.ROOT));
        ObjectNode block = json.putObject(BLOCK);
        block.put("format_version", FORMAT_VERSION);
        ConfigWriter.toJson(architecture).properties().forEach(part -> block.set(part.getKey(), part.getValue()));
        if (tokenizer != null) {
            block.set("tokenizer", ConfigWriter.toJson(tokenizer));
        }
        return json;
    }

    private ObjectNode xglm() {
        ModelConfig model = architecture.model();
        boolean xglm = model.experts() == 0
                && model.tied()
                && model.positions() == Positions.SINUSOIDAL
                && model.hasPublishedBlock();
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        json.put("model_type", xglm ? XGLM : BLOCK);
        json.putArray("architectures").add(xglm ? "XGLMForCausalLM" : "Moe4jForCausalLM");
        json.put("vocab_size", model.vocabulary());
        json.put("max_position_embeddings", model.context());
        json.put("d_model", model.width());
        json.put("ffn_dim", model.ffn());
        json.put("num_layers", model.layers());
        json.put("attention_heads", model.heads());
        json.put("activation_function", model.activation().name().toLowerCase(Locale.ROOT));
        json.put("dropout", model.dropout());
        json.put("attention_dropout", model.attentionDropout());
        json.put("activation_dropout", model.activationDropout());
        json.put("layerdrop", 0.0);
        json.put("init_std", 1 / Math.sqrt(model.width()));
        json.put("scale_embedding", model.multipliers().embedding() == 0);
        json.put("tie_word_embeddings", model.tied());
        json.put("use_cache", true);
        if (model.padding() >= 0) {
            json.put("pad_token_id", model.padding());
        } else {
            json.putNull("pad_token_id");
        }
        json.putNull("bos_token_id");
        if (tokenizer != null) {
            json.put("eos_token_id", tokenizer.endOfText());
        } else {
            json.putNull("eos_token_id");
        }
        return json;
    }

    /**
     * Reads the configuration in a checkpoint's folder.
     *
     * @throws ModelException if the file is missing, damaged, of a newer version, or contradicts itself
     */
    public static CheckpointConfig read(Path folder) {
        Path file = folder.resolve(FILE);
        return fromJson(parse(file), file.toString());
    }

    /** Parses a JSON file of a checkpoint. */
    static JsonNode parse(Path file) {
        try {
            if (Files.size(file) > MAX_BYTES) {
                throw new ModelException(file + " has " + Files.size(file) + " bytes, more than the limit of "
                        + MAX_BYTES + " for a JSON file");
            }
            return JSON.readTree(Files.readAllBytes(file));
        } catch (NoSuchFileException e) {
            throw new ModelException(file + " does not exist; a checkpoint has this file", e);
        } catch (IOException e) {
            String reason = Files.isDirectory(file) ? "it is a folder" : e.getMessage();
            throw new ModelException("Cannot read " + file + ": " + reason, e);
        } catch (JacksonException e) {
            throw new ModelException(file + " is not valid JSON: " + FirstLine.of(e.getOriginalMessage()), e);
        }
    }

    /**
     * Reads the output of {@link #toJson}, or the configuration of a foreign XGLM model.
     *
     * @param source the name of the source in error messages, such as the file's path
     * @throws ModelException if a key is missing or invalid, the version is newer, or the keys contradict each other
     */
    public static CheckpointConfig fromJson(JsonNode json, String source) {
        if (!json.isObject()) {
            throw new ModelException(source + ": expected a JSON object");
        }
        return json.has(BLOCK) ? ours(json, source) : foreign(json, source);
    }

    private static CheckpointConfig ours(JsonNode json, String source) {
        JsonNode block = json.path(BLOCK);
        JsonNode version = block.path("format_version");
        if (!version.isInt() || version.intValue() < 1) {
            throw new ModelException(source + ": moe4j.format_version is missing or not a positive integer");
        }
        if (version.intValue() > FORMAT_VERSION) {
            throw new ModelException(source + ": the checkpoint has format version " + version.intValue()
                    + ", but this program reads up to " + FORMAT_VERSION + "; use a newer release");
        }
        ObjectNode parts = JsonNodeFactory.instance.objectNode();
        for (String part : List.of("model", "routing", "balance")) {
            parts.set(part, block.path(part).isMissingNode() ? parts.objectNode() : block.path(part));
        }
        Architecture defaults = Presets.architecture("cpu-tiny-moe");
        requireKeys(ConfigWriter.toJson(defaults), parts, source, BLOCK, version.intValue());
        Architecture architecture = named(source, () -> ConfigReader.fromJson(defaults, parts, source));

        JsonNode tokenizer = block.path("tokenizer");
        TokenizerSpec anyTokenizer = new TokenizerSpec("", "", 1, 0);
        requireKeys(ConfigWriter.toJson(anyTokenizer), tokenizer, source, BLOCK + ".tokenizer", version.intValue());
        CheckpointConfig config = named(
                source,
                () -> new CheckpointConfig(architecture, ConfigReader.fromJson(anyTokenizer, tokenizer, source)));
        config.refuseContradictions(json, source);
        return config;
    }

    /** Refuses a file that lacks a key of its version. */
    private static void requireKeys(JsonNode expected, JsonNode given, String source, String path, int version) {
        for (var entry : expected.properties()) {
            String key = path + "." + entry.getKey();
            JsonNode value = given.path(entry.getKey());
            if (INTRODUCED.getOrDefault(key, 1) > version) {
                continue;
            }
            if (value.isMissingNode()) {
                throw new ModelException(source + ": the key " + key + " is missing");
            }
            if (entry.getValue().isObject()) {
                requireKeys(entry.getValue(), value, source, key, version);
            }
        }
    }

    private void refuseContradictions(JsonNode json, String source) {
        for (var entry : xglm().properties()) {
            JsonNode given = json.path(entry.getKey());
            if (given.isMissingNode()) {
                throw new ModelException(source + ": the key " + entry.getKey() + " is missing");
            }
            if (!INFORMATION.contains(entry.getKey()) && !same(given, entry.getValue())) {
                throw new ModelException(source + ": " + entry.getKey() + " is " + given + ", but the block moe4j says "
                        + entry.getValue());
            }
        }
    }

    private static boolean same(JsonNode a, JsonNode b) {
        boolean numbers = a.isNumber() && b.isNumber();
        return numbers ? a.asDouble() == b.asDouble() : a.equals(b);
    }

    private static CheckpointConfig foreign(JsonNode json, String source) {
        String type = json.path("model_type").asString("");
        if (!type.equals(XGLM)) {
            throw new ModelException(
                    source + ": the model type '" + type + "' is not supported; known are xglm and moe4j");
        }
        if (!json.path("scale_embedding").asBoolean(true)) {
            throw new ModelException(source + ": scale_embedding is false, which is not supported");
        }
        JsonNode padding = json.path("pad_token_id");
        String activation = json.path("activation_function").asString("gelu");
        if (!activation.equals("gelu") && !activation.equals("relu")) {
            throw new ModelException(
                    source + ": activation_function is " + activation + "; supported are gelu and relu");
        }
        return named(
                source,
                () -> new CheckpointConfig(
                        new Architecture(
                                new ModelConfig(
                                        integer(json, "num_layers", source),
                                        integer(json, "d_model", source),
                                        integer(json, "attention_heads", source),
                                        integer(json, "ffn_dim", source),
                                        integer(json, "vocab_size", source),
                                        integer(json, "max_position_embeddings", source),
                                        Positions.SINUSOIDAL,
                                        json.path("tie_word_embeddings").asBoolean(true),
                                        Activation.valueOf(activation.toUpperCase(Locale.ROOT)),
                                        json.path("dropout").asDouble(0.1),
                                        json.path("attention_dropout").asDouble(0.1),
                                        json.path("activation_dropout").asDouble(0),
                                        padding.isMissingNode()
                                                ? 1
                                                : padding.isNull() ? -1 : integer(json, "pad_token_id", source),
                                        0,
                                        1,
                                        0,
                                        0),
                                RoutingConfig.DEFAULT,
                                BalanceConfig.DEFAULT),
                        null));
    }

    private static int integer(JsonNode json, String key, String source) {
        JsonNode value = json.path(key);
        if (!value.isInt()) {
            throw new ModelException(source + ": " + key
                    + (value.isMissingNode() ? " is missing" : " is " + value + ", which is not an integer"));
        }
        return value.intValue();
    }

    private interface Reading<T> {
        T read();
    }

    /** Prefixes a message with the file's name unless it already has it. */
    private static <T> T named(String source, Reading<T> reading) {
        try {
            return reading.read();
        } catch (ModelException | ConfigException e) {
            String message = String.valueOf(e.getMessage());
            throw message.startsWith(source) ? e : new ModelException(source + ": " + message, e);
        }
    }
}
