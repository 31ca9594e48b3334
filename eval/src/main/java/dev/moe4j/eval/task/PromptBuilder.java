package dev.moe4j.eval.task;

import dev.moe4j.data.shard.TextSize;
import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.scoring.Request;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Builds the token sequences of a question's candidates. Prompt and continuation are encoded separately, so the scored
 * tokens never depend on how the tokenizer would join them. If the continuation begins with a space, GPT-2's
 * pre-tokenization gives the same result as encoding both together. Few-shot examples are encoded like a question and
 * its right answer.
 *
 * <p>A text that does not fit the model's context is cut from the left: complete examples first, then the prompt. A
 * question whose scored part alone does not fit is left out.
 */
public final class PromptBuilder {

    private final Tokenizer tokenizer;
    private final int limit;
    private final TaskFile.Scoring scoring;
    private final TaskSettings settings;
    private final List<int[]> examples;
    private final int[] separator;
    private final Map<String, int[]> encoded = new HashMap<>();

    /**
     * The requests of one question.
     *
     * @param candidates one request per candidate
     * @param alone one request per candidate after the answer prompt alone, without the question; empty unless the task
     *     scores with {@link Normalisation#PMI}
     * @param dropped the number of few-shot examples that did not fit into the context
     * @param cut the number of prompt tokens that did not fit into the context
     */
    record Prompts(List<Request> candidates, List<Request> alone, int dropped, int cut) {}

    /**
     * Creates a builder for one run.
     *
     * @param context the model's context in tokens
     * @param examples the few-shot examples before each question, in order
     */
    PromptBuilder(
            Tokenizer tokenizer, int context, TaskFile.Scoring scoring, TaskSettings settings, List<Example> examples) {
        this.tokenizer = tokenizer;
        this.limit = context + 1; // the last token is only predicted, so it needs no place in the context
        this.scoring = scoring;
        this.settings = settings;
        String between = scoring.separator();
        this.separator = between == null ? new int[] {tokenizer.endOfText()} : encode(between);
        this.examples = examples.stream()
                .map(example -> join(
                        encode(example.answer().prompt()),
                        encode(example.answer().continuation()),
                        separator))
                .toList();
    }

    /**
     * Builds the requests of a question.
     *
     * @return empty if a scored part alone does not fit the context
     * @throws EvalException if a scored part is empty
     */
    Optional<Prompts> build(Example example) {
        List<int[]> prompts = example.candidates().stream()
                .map(candidate -> encode(candidate.prompt()))
                .toList();
        List<int[]> continuations = example.candidates().stream()
                .map(candidate -> encode(candidate.continuation()))
                .toList();
        int longest = 0;
        for (int i = 0; i < prompts.size(); i++) {
            if (continuations.get(i).length == 0) {
                throw new EvalException(example.place() + ": the scored part of a candidate is empty");
            }
            longest = Math.max(longest, prompts.get(i).length + continuations.get(i).length);
        }
        int capacity = limit - begin().length - longest;
        int dropped = 0;
        int shots = examples.stream().mapToInt(tokens -> tokens.length).sum();
        while (shots > Math.max(0, capacity)) {
            shots -= examples.get(dropped++).length;
        }
        int[] before =
                join(begin(), join(examples.subList(dropped, examples.size()).toArray(int[][]::new)));
        int cut = Math.max(0, -capacity);
        List<int[]> texts = new ArrayList<>();
        List<Integer> starts = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            int[] prompt = prompts.get(i);
            if (cut > prompt.length) {
                return Optional.empty();
            }
            int[] kept = Arrays.copyOfRange(prompt, cut, prompt.length);
            texts.add(join(before, kept, continuations.get(i)));
            starts.add(before.length + kept.length);
        }
        int shared = scoring.part() == TaskFile.Part.DIFFERENCE ? commonPrefix(texts) : 0;
        List<Request> requests = new ArrayList<>();
        for (int i = 0; i < texts.size(); i++) {
            String scored = example.candidates().get(i).continuation();
            requests.add(request(example, texts.get(i), starts.get(i), Math.max(starts.get(i), shared), scored));
        }
        List<Request> alone = alone(example, continuations);
        return alone.stream().anyMatch(request -> request.length() > limit)
                ? Optional.empty()
                : Optional.of(new Prompts(requests, alone, dropped, cut));
    }

    /** The length of the common prefix of all texts, which leaves each text at least one token. */
    private static int commonPrefix(List<int[]> texts) {
        if (texts.size() == 1) {
            return 0;
        }
        int[] first = texts.getFirst();
        int shared = first.length;
        for (int[] text : texts) {
            int mismatch = Arrays.mismatch(first, text);
            shared = Math.min(shared, mismatch < 0 ? first.length : mismatch);
            shared = Math.min(shared, text.length - 1);
        }
        return shared;
    }

    private List<Request> alone(Example example, List<int[]> continuations) {
        String answerPrompt = scoring.answerPrompt();
        if (answerPrompt == null) {
            return List.of();
        }
        int[] before = join(begin(), encode(answerPrompt));
        List<Request> alone = new ArrayList<>();
        for (int i = 0; i < continuations.size(); i++) {
            int[] tokens = join(before, continuations.get(i));
            String scored = example.candidates().get(i).continuation();
            alone.add(request(example, tokens, before.length, before.length, scored));
        }
        return alone;
    }

    /**
     * Creates a request. Without a begin token, the very first token lacks a context and is not scored.
     *
     * @param start index of the continuation's first token
     * @param from index of the first scored token; the bytes of the tokens between are subtracted from the
     *     continuation's
     */
    private Request request(Example example, int[] tokens, int start, int from, String continuation) {
        if (tokens.length < 2) {
            throw new EvalException(
                    example.place() + ": a candidate is a single token, which has no probability without"
                            + " a preceding token; use a begin token");
        }
        int first = Math.max(1, from);
        int skipped = tokenizer.decodeBytes(Arrays.copyOfRange(tokens, start, first)).length;
        return new Request(
                tokens,
                first,
                Math.max(0, Math.toIntExact(TextSize.of(continuation).bytes()) - skipped));
    }

    private int[] begin() {
        return settings.beginToken() ? new int[] {tokenizer.endOfText()} : new int[0];
    }

    private int[] encode(String text) {
        return encoded.size() > 100_000 ? tokens(text) : encoded.computeIfAbsent(text, this::tokens);
    }

    private int[] tokens(String text) {
        if (settings.newlines() == TaskSettings.Newlines.KEEP) {
            return tokenizer.encode(text);
        }
        int[] tokens = {};
        String[] lines = text.split("\n", -1);
        for (int i = 0; i < lines.length; i++) {
            tokens = i == 0
                    ? tokenizer.encode(lines[i])
                    : join(tokens, new int[] {tokenizer.endOfText()}, tokenizer.encode(lines[i]));
        }
        return tokens;
    }

    /** Concatenates token sequences. */
    public static int[] join(int[]... parts) {
        int[] joined =
                new int[Arrays.stream(parts).mapToInt(part -> part.length).sum()];
        int at = 0;
        for (int[] part : parts) {
            System.arraycopy(part, 0, joined, at, part.length);
            at += part.length;
        }
        return joined;
    }
}
