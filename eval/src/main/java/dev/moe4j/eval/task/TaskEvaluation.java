package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.scoring.FullScorer;
import dev.moe4j.eval.scoring.Likelihood;
import dev.moe4j.eval.scoring.PrefixScorer;
import dev.moe4j.eval.scoring.Request;
import dev.moe4j.eval.scoring.Scorer;
import dev.moe4j.model.LanguageModel;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Evaluates tasks with a model, zero-shot or few-shot, by comparing the log-likelihoods of candidates. Results do not
 * depend on the batch size.
 *
 * <p>Immutable; the methods that change a setting return a changed copy.
 */
public final class TaskEvaluation {

    private static final int DEFAULT_BATCH_TOKENS = 4096;

    /** The number of questions whose requests are in memory together. */
    private static final int CHUNK = 128;

    /** The outcome of a question that does not fit the model's context; the same in every run. */
    private static final Measure.Outcome LEFT_OUT = new Measure.Outcome(new double[0], "");

    private static final Likelihood UNUSED = new Likelihood(0, 1, 1, true);

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final int batchTokens;
    private final boolean inFull;
    private final Scorer scorer;
    private final int show;
    private final ResultCache<TaskRun> cache;
    private final String identity;
    private final Progress progress;

    /** Receives the progress of a task. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Called after each chunk of questions.
         *
         * @param questions questions done, over all runs
         * @param figure the task's main metric in the current run so far
         */
        void scored(long questions, double figure);
    }

    private TaskEvaluation(
            LanguageModel model,
            Tokenizer tokenizer,
            int batchTokens,
            boolean inFull,
            int show,
            ResultCache<TaskRun> cache,
            String identity,
            Progress progress) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.batchTokens = batchTokens;
        this.inFull = inFull;
        this.show = show;
        this.cache = cache;
        this.identity = identity;
        this.progress = progress;
        this.scorer = inFull || FullScorer.hasCapacity(model)
                ? new FullScorer(model, batchTokens)
                : new PrefixScorer(model, batchTokens);
    }

    /** Creates an evaluation with the default settings, without a cache and without shown questions. */
    public static TaskEvaluation of(LanguageModel model, Tokenizer tokenizer) {
        return new TaskEvaluation(
                model, tokenizer, DEFAULT_BATCH_TOKENS, false, 0, ResultCache.none(TaskRun.class), "", (_, _) -> {});
    }

    /**
     * Sets the number of tokens in a batch, which affects speed and memory only.
     *
     * @throws EvalException if it is below 1
     */
    public TaskEvaluation batchTokens(int tokens) {
        if (tokens < 1) {
            throw new EvalException("cannot score " + tokens + " tokens at a time; give at least 1");
        }
        return new TaskEvaluation(model, tokenizer, tokens, inFull, show, cache, identity, progress);
    }

    /**
     * Scores each candidate from its first token, without sharing prefixes. The results are the same; for comparison.
     */
    public TaskEvaluation inFull() {
        return new TaskEvaluation(model, tokenizer, batchTokens, true, show, cache, identity, progress);
    }

    /** Adds the first {@code questions} questions of each task to the result, as the model reads them. */
    public TaskEvaluation show(int questions) {
        return new TaskEvaluation(model, tokenizer, batchTokens, inFull, questions, cache, identity, progress);
    }

    /**
     * Sets a cache: cached runs are reused, and new runs are added.
     *
     * @param model identifies the model and its precision
     */
    public TaskEvaluation finished(ResultCache<TaskRun> runs, String model) {
        return new TaskEvaluation(this.model, tokenizer, batchTokens, inFull, show, runs, model, progress);
    }

    /** Sets a listener for the progress. */
    public TaskEvaluation onProgress(Progress listener) {
        return new TaskEvaluation(model, tokenizer, batchTokens, inFull, show, cache, identity, listener);
    }

    /**
     * Scores all runs of a task.
     *
     * @throws EvalException if no question fits the model's context, a token is outside its vocabulary, or a likelihood
     *     is not finite
     */
    public TaskResult score(Questions questions) {
        int runs = questions.settings().distinctRuns();
        List<TaskRun> all = new ArrayList<>();
        for (int run = 0; run < runs; run++) {
            String key = ResultCache.key(identity, questions.identity(run));
            Optional<TaskRun> done = cache.find(key);
            if (done.isPresent()) {
                all.add(done.get());
            } else {
                TaskRun outcomes = run(questions, run);
                cache.add(key, questions.task() + ", run " + run, outcomes);
                all.add(outcomes);
            }
        }
        return TaskResults.of(questions, all, shown(questions));
    }

    private PromptBuilder prompts(Questions questions, int run) {
        return questions.prompts(tokenizer, model.config().context(), run);
    }

    /**
     * Scores one run of a task.
     *
     * @param run the number of the run, which determines the few-shot examples
     */
    public TaskRun run(Questions questions, int run) {
        PromptBuilder prompts = prompts(questions, run);
        Measure measure = questions.task().scoring().measure();
        List<Example> examples = questions.examples();
        List<Measure.Outcome> outcomes = new ArrayList<>();
        long dropped = 0;
        long cut = 0;
        for (int from = 0; from < examples.size(); from += CHUNK) {
            List<Example> chunk = examples.subList(from, Math.min(from + CHUNK, examples.size()));
            List<Optional<PromptBuilder.Prompts>> built =
                    chunk.stream().map(prompts::build).toList();
            Iterator<Scored> scored = score(
                            questions, built.stream().flatMap(Optional::stream).toList())
                    .iterator();
            for (int i = 0; i < chunk.size(); i++) {
                if (built.get(i).isEmpty()) {
                    outcomes.add(LEFT_OUT);
                    continue;
                }
                PromptBuilder.Prompts own = built.get(i).orElseThrow();
                Scored one = scored.next();
                outcomes.add(new Measure.Outcome(
                        measure.outcome(chunk.get(i), one.scores(), one.likelihoods()),
                        chunk.get(i).group()));
                dropped += own.dropped();
                cut += own.cut() > 0 ? 1 : 0;
            }
            double figure = measure.figures(outcomes.stream()
                            .filter(outcome -> outcome.values().length > 0)
                            .toList())
                    .values()
                    .iterator()
                    .next();
            progress.scored((long) run * examples.size() + outcomes.size(), figure);
        }
        return new TaskRun(outcomes.stream().map(Measure.Outcome::values).toArray(double[][]::new), dropped, cut);
    }

    /** The scores of one question's candidates. */
    private record Scored(double[] scores, List<Likelihood> likelihoods) {}

    private List<Scored> score(Questions questions, List<PromptBuilder.Prompts> built) {
        Normalisation normalisation = questions.task().scoring().normalise();
        // Scored separately, because the few-shot examples come before the candidates but not before the answers alone.
        Map<Request, Likelihood> inContext = likelihoods(
                built.stream().map(PromptBuilder.Prompts::candidates).flatMap(List::stream));
        Map<Request, Likelihood> alone =
                likelihoods(built.stream().map(PromptBuilder.Prompts::alone).flatMap(List::stream));
        return built.stream()
                .map(prompts -> {
                    List<Likelihood> own =
                            prompts.candidates().stream().map(inContext::get).toList();
                    double[] scores = new double[own.size()];
                    for (int i = 0; i < scores.length; i++) {
                        Likelihood prior = prompts.alone().isEmpty()
                                ? UNUSED
                                : alone.getOrDefault(prompts.alone().get(i), UNUSED);
                        scores[i] = normalisation.score(own.get(i), prior);
                    }
                    return new Scored(scores, own);
                })
                .toList();
    }

    /** Scores each distinct request once: the same answer occurs many times alone. */
    private Map<Request, Likelihood> likelihoods(Stream<Request> requests) {
        List<Request> distinct = requests.distinct().toList();
        List<Likelihood> likelihoods = scorer.score(distinct);
        Map<Request, Likelihood> known = new HashMap<>();
        for (int i = 0; i < distinct.size(); i++) {
            known.put(distinct.get(i), likelihoods.get(i));
        }
        return known;
    }

    private List<TaskResult.Shown> shown(Questions questions) {
        if (show == 0) {
            return List.of();
        }
        PromptBuilder prompts = prompts(questions, 0);
        List<TaskResult.Shown> shown = new ArrayList<>();
        for (Example example : questions.examples()) {
            if (shown.size() == show) {
                break;
            }
            prompts.build(example).ifPresent(built -> {
                Scored scored = score(questions, List.of(built)).getFirst();
                shown.add(new TaskResult.Shown(
                        example.place(),
                        IntStream.range(0, built.candidates().size())
                                .mapToObj(i -> new TaskResult.ShownCandidate(
                                        marked(built.candidates().get(i)),
                                        scored.likelihoods().get(i).tokens(),
                                        scored.scores()[i],
                                        example.gold().contains(i)))
                                .toList()));
            });
        }
        return shown;
    }

    private String marked(Request request) {
        int[] tokens = request.tokens();
        return text(Arrays.copyOf(tokens, request.from())) + "⟦"
                + text(Arrays.copyOfRange(tokens, request.from(), tokens.length)) + "⟧";
    }

    private String text(int[] tokens) {
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int i = 0; i <= tokens.length; i++) {
            if (i == tokens.length || tokens[i] == tokenizer.endOfText()) {
                text.append(tokenizer.decode(Arrays.copyOfRange(tokens, from, i)));
                text.append(i == tokens.length ? "" : "⟨end⟩");
                from = i + 1;
            }
        }
        return text.toString();
    }
}
