package dev.moe4j.serve.http;

import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.serve.engine.Prompt;
import dev.moe4j.serve.engine.ServeException;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.JsonNode;

/** Reads the {@code prompt} of a request. It rejects a prompt that exceeds the limits before it encodes the rest. */
record PromptReader(Tokenizer tokenizer, ModelConfig config) {
    /** The maximum number of prompt tokens of a request. A prompt counts once for each of its texts. */
    static final int MOST_TOKENS = 1 << 20;

    /**
     * Reads the prompts of a request.
     *
     * @param given a text, texts, token numbers or arrays of token numbers. Null is one empty text
     * @param choices the number of texts for each prompt
     * @param most the maximum number of texts of a request
     */
    List<Prompt> read(@Nullable JsonNode given, int choices, int most) {
        if (given == null) {
            return read(List.of(""), choices, most, this::ofText);
        }
        if (given.isString()) {
            return read(List.of(given.asString()), choices, most, this::ofText);
        }
        if (given.isArray() && !given.isEmpty()) {
            List<JsonNode> all = given.valueStream().toList();
            if (all.stream().allMatch(JsonNode::isNumber)) {
                return read(List.of(given), choices, most, this::ofTokens);
            }
            if (all.stream().allMatch(JsonNode::isString)) {
                return read(all, choices, most, text -> ofText(text.asString()));
            }
            if (all.stream().allMatch(JsonNode::isArray)) {
                return read(all, choices, most, this::ofTokens);
            }
        }
        throw ApiException.invalid("prompt", "prompt must be a text, texts, token numbers, or arrays of them");
    }

    private <T> List<Prompt> read(List<T> given, int choices, int most, Function<T, Prompt> reading) {
        long texts = (long) given.size() * choices;
        if (texts > most) {
            throw ApiException.invalid(
                    given.size() > choices ? "prompt" : "n",
                    "the request asks for " + texts + " texts (prompts times n), but may ask for at most " + most
                            + "; send fewer prompts or lower n");
        }
        List<Prompt> prompts = new ArrayList<>();
        long tokens = 0;
        for (T each : given) {
            Prompt prompt = reading.apply(each);
            tokens += (long) prompt.tokens().length * choices;
            if (tokens > MOST_TOKENS) {
                throw ApiException.invalid(
                        "prompt",
                        "the prompts have more than " + MOST_TOKENS + " tokens together, each prompt counted n times;"
                                + " send fewer prompts or lower n");
            }
            prompts.add(prompt);
        }
        return prompts;
    }

    private Prompt ofText(String text) {
        try {
            return readable(Prompt.of(text, tokenizer, config.context()));
        } catch (ServeException e) {
            throw ApiException.invalid("prompt", "context_length_exceeded", String.valueOf(e.getMessage()));
        }
    }

    private Prompt ofTokens(JsonNode given) {
        int[] tokens = new int[given.size()];
        for (int i = 0; i < tokens.length; i++) {
            JsonNode token = given.get(i);
            if (!token.canConvertToExactIntegral()
                    || !token.canConvertToInt()
                    || token.asInt() < 0
                    || token.asInt() >= tokenizer.vocabularySize()) {
                throw ApiException.invalid(
                        "prompt",
                        "prompt has " + token + " for a token; tokens are whole numbers from 0 to below "
                                + tokenizer.vocabularySize());
            }
            tokens[i] = token.asInt();
        }
        return readable(Prompt.of(tokens, tokenizer));
    }

    private Prompt readable(Prompt prompt) {
        for (int token : prompt.tokens()) {
            if (token == config.padding()) {
                throw ApiException.invalid(
                        "prompt",
                        "prompt has the padding token " + token + ", which the model cannot read; leave it out");
            }
        }
        return prompt;
    }
}
