package dev.moe4j.serve.http;

import dev.moe4j.serve.engine.Finish;
import dev.moe4j.serve.engine.ScoredToken;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What {@code /v1/completions} answers, whole or as a piece of a stream, as OpenAI defines it. */
public final class CompletionAnswer {
    private static final JsonMapper JSON = new JsonMapper();

    private final String id = "cmpl-" + UUID.randomUUID().toString().replace("-", "");
    private final long created = Instant.now().getEpochSecond();
    private final String model;
    private final Tokenizer tokenizer;

    /** Answers to one request. */
    CompletionAnswer(String model, Tokenizer tokenizer) {
        this.model = model;
        this.tokenizer = tokenizer;
    }

    /**
     * A text, or a piece of it.
     *
     * @param tokens null where no probabilities were asked for
     * @param finish null while more follows
     */
    record Choice(
            int index,
            String text,
            @Nullable List<ScoredToken> tokens,
            @Nullable Finish finish) {}

    /** Tokens of a request: of its prompts, and made. */
    record Usage(long prompt, long completion) {}

    /** An answer with these texts and counts. */
    ObjectNode of(List<Choice> choices, Usage usage) {
        ObjectNode answer = piece(choices);
        answer.putObject("usage")
                .put("prompt_tokens", usage.prompt())
                .put("completion_tokens", usage.completion())
                .put("total_tokens", usage.prompt() + usage.completion());
        return answer;
    }

    /** A piece of a stream. */
    ObjectNode piece(List<Choice> choices) {
        ObjectNode answer = JSON.createObjectNode()
                .put("id", id)
                .put("object", "text_completion")
                .put("created", created)
                .put("model", model);
        ArrayNode all = answer.putArray("choices");
        choices.forEach(choice -> all.add(choice(choice)));
        return answer;
    }

    private ObjectNode choice(Choice choice) {
        ObjectNode node = JSON.createObjectNode().put("text", choice.text()).put("index", choice.index());
        List<ScoredToken> tokens = choice.tokens();
        node.set("logprobs", tokens == null ? JSON.nullNode() : probabilities(tokens));
        Finish finish = choice.finish();
        return node.put("finish_reason", finish == null ? null : finish == Finish.LENGTH ? "length" : "stop");
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
            // The token's own is always there, as OpenAI's is.
            if (!best.has(text)) {
                best.put(text, logProbability);
            }
        }
        return node;
    }

    /** An error's body. */
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
