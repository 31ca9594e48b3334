package dev.moe4j.serve;

import dev.moe4j.data.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The body of {@code POST /v1/completions}, as OpenAI defines it, with {@code top_k} besides.
 *
 * @param choices the texts that are made of each prompt
 * @param texts prompt by prompt
 * @param echo whether the answer begins with the prompt
 * @param stream whether it comes in pieces
 * @param usage whether its last piece counts the tokens
 */
record CompletionRequest(
        List<Prompt> prompts, int choices, List<GenerationRequest> texts, boolean echo, boolean stream, boolean usage) {

    private static final JsonMapper JSON = new JsonMapper();
    private static final int MOST_CHOICES = 128;
    private static final int MOST_ALTERNATIVES = 20;
    private static final int MOST_STOPS = 16;

    /** A text to continue and its tokens. */
    record Prompt(String text, int[] tokens) {}

    /**
     * Reads a request.
     *
     * @param served the model that is asked for
     * @throws ApiException if it is wrong, or asks for what is not served
     */
    static CompletionRequest read(byte[] body, ServedModel served, Tokenizer tokenizer) {
        JsonFields fields = new JsonFields(parsed(body));
        served.requireName(fields.text("model", served.name()));
        List<Prompt> prompts =
                prompts(fields.take("prompt"), tokenizer, served.config().padding());
        int choices = fields.integer("n", 1, 1, MOST_CHOICES);
        int tokens = fields.integer("max_tokens", 16, 0, Integer.MAX_VALUE);
        Sampling sampling = new Sampling(
                fields.number("temperature", 1, 0, 1e6),
                fields.integer("top_k", 0, 0, Integer.MAX_VALUE),
                fields.number("top_p", 1, Double.MIN_VALUE, 1));
        long seed = fields.wholeNumber("seed", ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        List<String> stops = stops(fields.take("stop"));
        boolean echo = fields.truth("echo", false);
        @Nullable
        Integer alternatives =
                fields.has("logprobs") ? (Integer) fields.integer("logprobs", 0, 0, MOST_ALTERNATIVES) : null;
        boolean stream = fields.truth("stream", false);
        boolean usage = usage(fields.take("stream_options"), stream);
        refuseWhatIsNotServed(fields, choices);

        List<GenerationRequest> texts = new ArrayList<>();
        for (Prompt prompt : prompts) {
            for (int choice = 0; choice < choices; choice++) {
                GenerationRequest text = new GenerationRequest(
                        prompt.tokens(),
                        tokens,
                        sampling,
                        seed + choice,
                        stops,
                        alternatives,
                        echo && alternatives != null);
                checkContext(text, tokenizer, served.config().context());
                texts.add(text);
            }
        }
        return new CompletionRequest(prompts, choices, texts, echo, stream, usage);
    }

    private static JsonNode parsed(byte[] body) {
        try {
            return JSON.readTree(body);
        } catch (JacksonException e) {
            throw ApiException.invalid(null, "the body is no JSON: " + e.getOriginalMessage());
        }
    }

    private static void refuseWhatIsNotServed(JsonFields fields, int choices) {
        fields.integer("best_of", choices, choices, choices);
        fields.number("presence_penalty", 0, 0, 0);
        fields.number("frequency_penalty", 0, 0, 0);
        fields.requireEmpty("logit_bias");
        fields.requireEmpty("suffix");
        fields.take("user");
        fields.finish();
    }

    private static void checkContext(GenerationRequest text, Tokenizer tokenizer, int context) {
        long wanted = (long) Continuation.windowOf(text, tokenizer) + text.tokens();
        // The last token is not read any more.
        long most = text.tokens() == 0 ? context : context + 1L;
        if (wanted > most) {
            throw ApiException.invalid(
                    "prompt",
                    "context_length_exceeded",
                    "the model sees " + context + " tokens at a time, and a prompt of " + text.prompt().length
                            + " with max_tokens " + text.tokens() + " makes " + wanted
                            + ", the end of text that comes first included; shorten the prompt or lower max_tokens");
        }
    }

    private static boolean usage(@Nullable JsonNode options, boolean stream) {
        if (options == null) {
            return false;
        }
        if (!stream) {
            throw ApiException.invalid("stream_options", "stream_options is for stream: true only");
        }
        JsonFields fields = new JsonFields(options);
        boolean usage = fields.truth("include_usage", false);
        fields.finish();
        return usage;
    }

    private static List<String> stops(@Nullable JsonNode given) {
        if (given == null) {
            return List.of();
        }
        List<JsonNode> all = given.isArray() ? given.valueStream().toList() : List.of(given);
        if (all.size() > MOST_STOPS
                || !all.stream()
                        .allMatch(stop -> stop.isString() && !stop.asString().isEmpty())) {
            throw ApiException.invalid(
                    "stop", "stop must be a text or up to " + MOST_STOPS + " texts, none of them empty");
        }
        return all.stream().map(JsonNode::asString).toList();
    }

    private static List<Prompt> prompts(@Nullable JsonNode given, Tokenizer tokenizer, int padding) {
        if (given == null) {
            return List.of(new Prompt("", new int[0]));
        }
        if (given.isString()) {
            return List.of(prompt(given.asString(), tokenizer));
        }
        if (given.isArray() && !given.isEmpty()) {
            List<JsonNode> all = given.valueStream().toList();
            if (all.stream().allMatch(JsonNode::isNumber)) {
                return List.of(prompt(all, tokenizer, padding));
            }
            if (all.stream().allMatch(JsonNode::isString)) {
                return all.stream()
                        .map(text -> prompt(text.asString(), tokenizer))
                        .toList();
            }
            if (all.stream().allMatch(JsonNode::isArray)) {
                return all.stream()
                        .map(tokens -> prompt(tokens.valueStream().toList(), tokenizer, padding))
                        .toList();
            }
        }
        throw ApiException.invalid("prompt", "prompt must be a text, texts, token numbers, or arrays of them");
    }

    private static Prompt prompt(String text, Tokenizer tokenizer) {
        return new Prompt(text, tokenizer.encode(text));
    }

    private static Prompt prompt(List<JsonNode> given, Tokenizer tokenizer, int padding) {
        int[] tokens = new int[given.size()];
        TextDecoder text = new TextDecoder();
        StringBuilder whole = new StringBuilder();
        for (int i = 0; i < tokens.length; i++) {
            JsonNode token = given.get(i);
            if (!token.canConvertToExactIntegral()
                    || !token.canConvertToInt()
                    || token.asInt() < 0
                    || token.asInt() >= tokenizer.vocabularySize()) {
                throw ApiException.invalid(
                        "prompt",
                        "prompt has " + token + " for a token; they are whole numbers from 0 to below "
                                + tokenizer.vocabularySize());
            }
            tokens[i] = token.asInt();
            if (tokens[i] == padding) {
                throw ApiException.invalid("prompt", "prompt has the padding token " + padding + "; leave it out");
            }
            whole.append(text.add(tokenizer.bytes(tokens[i])));
        }
        return new Prompt(whole.append(text.end()).toString(), tokens);
    }

    /** What a text continues. */
    Prompt promptOf(int text) {
        return prompts.get(text / choices);
    }

    /** The tokens of all prompts. */
    int promptTokens() {
        return prompts.stream().mapToInt(prompt -> prompt.tokens().length).sum();
    }
}
