package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.FinishReason;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Builds the JSON responses of {@code /v1/completions}, complete or as chunks of a stream, as OpenAI defines them. */
public final class CompletionResponse {
    private static final JsonMapper JSON = new JsonMapper();

    private final String id = "cmpl-" + UUID.randomUUID().toString().replace("-", "");
    private final long created = Instant.now().getEpochSecond();
    private final String model;
    private final Tokenizer tokenizer;

    /** Creates the builder for one request. */
    CompletionResponse(String model, Tokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
    }

    /**
     * A text, or a piece of it.
     *
     * @param tokens the scored tokens; null if the request does not ask for log-probabilities
     * @param finish null while the text continues
     */
    record Choice(
            int index,
            String text,
            @Nullable List<ScoredToken> tokens,
            @Nullable FinishReason finish) {}

    /** The token counts of a request: prompt tokens and generated tokens. */
    record Usage(long prompt, long completion) {}

    /** Returns a complete response. */
    ObjectNode of(List<Choice> choices, Usage usage) {
        ObjectNode response = piece(choices);
        response.putObject("usage")
                .put("prompt_tokens", usage.prompt())
                .put("completion_tokens", usage.completion())
                .put("total_tokens", usage.prompt() + usage.completion());
        return response;
    }

    /** Returns a chunk of a stream. */
    ObjectNode piece(List<Choice> choices) {
        ObjectNode response = JSON.createObjectNode()
                .put("id", id)
                .put("object", "text_completion")
                .put("created", created)
                .put("model", model);
        ArrayNode all = response.putArray("choices");
        choices.forEach(choice -> all.add(choice(choice)));
        return response;
    }

    private ObjectNode choice(Choice choice) {
        ObjectNode node = JSON.createObjectNode().put("text", choice.text()).put("index", choice.index());
        List<ScoredToken> tokens = choice.tokens();
        node.set("logprobs", tokens == null ? JSON.nullNode() : probabilities(tokens));
        FinishReason finish = choice.finish();
        return node.put("finish_reason", finish == null ? null : finish == FinishReason.LENGTH ? "length" : "stop");
    }

    private ObjectNode probabilities(List<ScoredToken> scored) {
        ObjectNode node = JSON.createObjectNode();
        ArrayNode texts = node.putArray("tokens");
        ArrayNode own = node.putArray("token_logprobs");
        ArrayNode likeliest = node.putArray("top_logprobs");
        ArrayNode offsets = node.putArray("text_offset");
        for (ScoredToken token : scored) {
            String text = TokenTexts.of(token.id(), tokenizer);
            texts.add(text);
            offsets.add(token.offset());
            Double logProbability = token.logProbability();
            if (logProbability == null) {
                own.addNull();
                likeliest.addNull();
                continue;
            }
            own.add(logProbability);
            ObjectNode best = likeliest.addObject();
            for (ScoredToken.Alternative other : token.alternatives()) {
                best.put(TokenTexts.of(other.id(), tokenizer), other.logProbability());
            }
            // Like OpenAI's API, always include the generated token.
            if (!best.has(text)) {
                best.put(text, logProbability);
            }
        }
        return node;
    }

    /** Returns the body of an error response. */
    public static ObjectNode error(ApiException problem) {
        ObjectNode body = JSON.createObjectNode();
        body.putObject("error")
                .put("message", problem.getMessage())
                .put("type", problem.type())
                .put("param", problem.parameter())
                .put("code", problem.code());
        return body;
    }
}
