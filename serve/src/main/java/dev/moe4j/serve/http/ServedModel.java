package dev.moe4j.serve.http;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.serve.engine.Engine;
import dev.moe4j.serve.engine.ServeException;
import dev.moe4j.text.tokenizer.Tokenizer;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Instant;
import java.util.Locale;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/**
 * The description of a model that a server publishes.
 *
 * @param name the model's name in requests
 * @param created the start of the server
 * @param start the start of the server as {@link System#nanoTime}
 * @param config the model's configuration
 * @param parameters the number of parameters
 * @param active the number of parameters that each token uses
 * @param tokenizer the tokenizer's specification
 */
public record ServedModel(
        String name,
        Instant created,
        long start,
        ModelConfig config,
        long parameters,
        long active,
        String tokenizer,
        String precision,
        String device) {

    private static final JsonMapper JSON = new JsonMapper();

    /**
     * Describes a model that is served from now on.
     *
     * @throws ServeException if the name is blank
     */
    public static ServedModel of(String name, LanguageModel model, Tokenizer tokenizer) {
        if (name.isBlank()) {
            throw new ServeException("requests need the model's name; give one");
        }
        Cost cost = Cost.of(model.architecture());
        return new ServedModel(
                name,
                Instant.now(),
                System.nanoTime(),
                model.config(),
                cost.parametersTotal(),
                cost.parametersActive(),
                tokenizer.spec(),
                model.parameters().precision().compute().name().toLowerCase(Locale.ROOT),
                model.device().toString());
    }

    /** Throws an {@link ApiException} if a request names another model. */
    void requireName(String wanted) {
        if (!wanted.equals(name)) {
            throw ApiException.missing(
                    "model",
                    "model_not_found",
                    "model '" + wanted + "' is not served here; this server has '" + name + "'");
        }
    }

    /** {@code GET /v1/models}. */
    ObjectNode list() {
        ObjectNode list = JSON.createObjectNode().put("object", "list");
        list.putArray("data").add(entry());
        return list;
    }

    /** {@code GET /v1/models/NAME}. */
    ObjectNode entry() {
        return JSON.createObjectNode()
                .put("id", name)
                .put("object", "model")
                .put("created", created.getEpochSecond())
                .put("owned_by", "moe4j")
                .put("max_model_len", config.context());
    }

    /** {@code GET /health}. */
    ObjectNode health() {
        return JSON.createObjectNode().put("status", "ok").put("model", name);
    }

    /** {@code GET /status}: the data of the page. */
    ObjectNode status(Engine.Load load, double[][] expertLoad, MeterRegistry meters) {
        ObjectNode status = JSON.createObjectNode();
        status.putObject("model")
                .put("name", name)
                .put("parameters", parameters)
                .put("active_parameters", active)
                .put("layers", config.layers())
                .put("width", config.width())
                .put("experts", config.experts())
                .put("moe_layers", config.moeLayers())
                .put("context", config.context())
                .put("vocabulary", config.vocabulary())
                .put("tokenizer", tokenizer)
                .put("precision", precision)
                .put("device", device);
        status.put("uptime_seconds", (System.nanoTime() - start) / 1e9)
                .put("places", load.places())
                .put("active", load.active())
                .put("waiting", load.waiting())
                .put("prompt_tokens", count(meters, "moe4j.prompt.tokens"))
                .put("generated_tokens", count(meters, "moe4j.generated.tokens"));
        status.set("expert_load", JSON.valueToTree(expertLoad));
        return status;
    }

    private static long count(MeterRegistry meters, String name) {
        Counter counter = meters.find(name).counter();
        return counter == null ? 0 : (long) counter.count();
    }
}
