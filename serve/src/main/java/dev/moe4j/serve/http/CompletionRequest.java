package dev.moe4j.serve.http;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.serve.engine.DecodingSequence;
import dev.moe4j.serve.engine.GenerationRequest;
import dev.moe4j.serve.engine.Prompt;
import dev.moe4j.serve.engine.Sampling;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.exc.StreamConstraintsException;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The body of {@code POST /v1/completions}, as OpenAI defines it, and {@code top_k}.
 *
 * @param choices the number of texts for each prompt ({@code n})
 * @param texts the texts to generate, ordered by prompt
 * @param echo whether the response repeats the prompt
 * @param stream whether the response is streamed
 * @param usage whether a stream ends with token counts
 */
record CompletionRequest(
        List<Prompt> prompts, int choices, List<GenerationRequest> texts, boolean echo, boolean stream, boolean usage) {

    /** The maximum number of JSON values in a body. It limits the memory of the parsed tree. */
    private static final int MOST_VALUES = 2 * PromptReader.MOST_TOKENS;

    private static final JsonMapper JSON = new JsonMapper(JsonFactory.builder()
            .streamReadConstraints(
                    StreamReadConstraints.builder().maxTokenCount(MOST_VALUES).build())
            .build());
    /** The maximum number of log-probabilities in a response. Each takes about 100 bytes of memory. */
    private static final int MOST_PROBABILITIES = 1 << 20;

    private static final int MOST_CHOICES = 128;
    private static final int MOST_ALTERNATIVES = 20;
    private static final int MOST_STOPS = 16;

    /**
     * Reads a request.
     *
     * @param most the maximum number of texts of a request
     * @throws ApiException if the request is malformed or unsupported
     */
    static CompletionRequest read(byte[] body, ServedModel served, Tokenizer tokenizer, int most) {
        JsonFields fields = new JsonFields(parsed(body));
        served.requireName(fields.text("model", served.name()));
        int choices = fields.integer("n", 1, 1, MOST_CHOICES);
        List<Prompt> prompts = new PromptReader(tokenizer, served.config()).read(fields.take("prompt"), choices, most);
        int tokens = fields.integer("max_tokens", 16, 0, Integer.MAX_VALUE);
        Sampling sampling = new Sampling(
                fields.number("temperature", 1, 0, 1e6),
                Math.max(
                        0,
                        fields.integer("top_k", 0, -1, Integer.MAX_VALUE)), // vLLM's clients send −1 to turn top-k off
                fields.number("top_p", 1, Double.MIN_VALUE, 1));
        long seed = fields.wholeNumber("seed", ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE));
        List<String> stops = stops(fields.take("stop"));
        boolean echo = fields.truth("echo", false);
        @Nullable Integer alternatives = fields.integer("logprobs", 0, MOST_ALTERNATIVES);
        boolean stream = fields.truth("stream", false);
        boolean usage = usage(fields.take("stream_options"), stream);
        rejectUnsupported(fields, choices);

        List<GenerationRequest> texts = new ArrayList<>();
        for (Prompt prompt : prompts) {
            for (int choice = 0; choice < choices; choice++) {
                GenerationRequest text = new GenerationRequest(
                        prompt, tokens, sampling, seed + choice, stops, alternatives, echo && alternatives != null);
                checkContext(text, tokenizer, served.config().context());
                texts.add(text);
            }
        }
        checkProbabilities(texts);
        return new CompletionRequest(prompts, choices, texts, echo, stream, usage);
    }

    private static JsonNode parsed(byte[] body) {
        try {
            return JSON.readTree(body);
        } catch (StreamConstraintsException e) {
            throw ApiException.invalid(
                    null, "the body is refused: " + e.getOriginalMessage() + "; send fewer prompts per request");
        } catch (JacksonException e) {
            throw ApiException.invalid(null, "the body is not JSON: " + e.getOriginalMessage());
        }
    }

    private static void rejectUnsupported(JsonFields fields, int choices) {
        fields.integer("best_of", choices, choices, choices);
        fields.number("presence_penalty", 0, 0, 0);
        fields.number("frequency_penalty", 0, 0, 0);
        fields.requireEmpty("logit_bias");
        fields.requireEmpty("suffix");
        rejectOtherServersParameters(fields);
        fields.take("user");
        fields.finish();
    }

    /** Accepts parameters of other servers only with neutral values, which their clients often send. */
    private static void rejectOtherServersParameters(JsonFields fields) {
        fields.number("repetition_penalty", 1, 1, 1);
        fields.number("length_penalty", 1, 1, 1);
        fields.number("typical_p", 1, 1, 1);
        fields.number("min_p", 0, 0, 0);
        fields.integer("min_tokens", 0, 0, 0);
        fields.requireFalse("use_beam_search");
        fields.requireFalse("early_stopping");
        fields.requireFalse("ignore_eos");
        fields.requireFalse("include_stop_str_in_output");
        fields.requireEmpty("stop_token_ids");
    }

    private static void checkProbabilities(List<GenerationRequest> texts) {
        long probabilities = 0;
        for (GenerationRequest text : texts) {
            Integer alternatives = text.alternatives();
            if (alternatives != null) {
                long tokens = (long) text.tokens()
                        + (text.scorePrompt() ? text.prompt().tokens().length : 0);
                probabilities += tokens * (1 + alternatives);
            }
        }
        if (probabilities > MOST_PROBABILITIES) {
            throw ApiException.invalid(
                    "logprobs",
                    "the response could have " + probabilities
                            + " log-probabilities, but a request may ask for at most " + MOST_PROBABILITIES
                            + "; send fewer prompts, or lower max_tokens, n or logprobs");
        }
    }

    private static void checkContext(GenerationRequest text, Tokenizer tokenizer, int context) {
        long wanted = (long) DecodingSequence.promptWindow(text, tokenizer) + text.tokens();
        // The model does not read the last generated token.
        long most = text.tokens() == 0 ? context : context + 1L;
        if (wanted > most) {
            throw ApiException.invalid(
                    "prompt",
                    "context_length_exceeded",
                    "the model sees " + context + " tokens at a time, but a prompt of "
                            + text.prompt().tokens().length
                            + " with max_tokens " + text.tokens() + " makes " + wanted
                            + ", including the initial end-of-text token; shorten the prompt or lower max_tokens");
        }
    }

    private static boolean usage(@Nullable JsonNode options, boolean stream) {
        if (options == null) {
            return false;
        }
        if (!stream) {
            throw ApiException.invalid("stream_options", "stream_options needs stream: true");
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
        return all.stream().map(stop -> Utf8.valid(stop.asString())).toList();
    }

    /** Returns the prompt of a text. */
    Prompt promptOf(int text) {
        return prompts.get(text / choices);
    }

    /** Returns the number of tokens of all prompts. */
    int promptTokens() {
        return prompts.stream().mapToInt(prompt -> prompt.tokens().length).sum();
    }
}
