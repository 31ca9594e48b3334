package dev.moe4j.eval.task;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.scoring.Likelihood;
import dev.moe4j.eval.scoring.PlainScorer;
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
 * Puts tasks to a model by comparing the likelihoods of candidates, zero- and few-shot. A result does not depend on how
 * many tokens are scored at a time.
 *
 * <p>Immutable; the methods that change a setting give a changed copy.
 */
public final class TaskEvaluation {

    private static final int DEFAULT_BATCH_TOKENS = 4096;

    /** Questions whose requests are in memory together. */
    private static final int CHUNK = 128;

    /** The outcome of a question that does not fit the model's context, in every run alike. */
    private static final Measure.Outcome LEFT_OUT = new Measure.Outcome(new double[0], "");

    private static final Likelihood UNUSED = new Likelihood(0, 1, 1, true);

    private final LanguageModel model;
    private final Tokenizer tokenizer;
    private final int batchTokens;
    private final boolean inFull;
    private final Scorer scorer;
    private final int show;
    private final ResultCache<TaskRun> finished;
    private final String identity;
    private final Progress progress;

    /** Hears how far a task is. */
    @FunctionalInterface
    public interface Progress {

        /**
         * Is called now and then.
         *
         * @param questions done, over all runs
         * @param figure the task's main figure in the run so far
         */
        void scored(long questions, double figure);
    }

    private TaskEvaluation(
            LanguageModel model,
            Tokenizer tokenizer,
            int batchTokens,
            boolean inFull,
            int show,
            ResultCache<TaskRun> finished,
            String identity,
            Progress progress) {
        this.model = model;
        this.tokenizer = tokenizer;
        this.batchTokens = batchTokens;
        this.inFull = inFull;
        this.show = show;
        this.finished = finished;
        this.identity = identity;
        this.progress = progress;
        this.scorer = inFull || PlainScorer.hasCapacity(model)
                ? new PlainScorer(model, batchTokens)
                : new PrefixScorer(model, batchTokens);
    }

    /** Shows nothing and keeps nothing. */
    public static TaskEvaluation of(LanguageModel model, Tokenizer tokenizer) {
        return new TaskEvaluation(
                model, tokenizer, DEFAULT_BATCH_TOKENS, false, 0, ResultCache.none(TaskRun.class), "", (_, _) -> {});
    }

    /** With another number of tokens at a time: a matter of speed and memory. */
    public TaskEvaluation batchTokens(int tokens) {
        if (tokens < 1) {
            throw new EvalException("cannot score " + tokens + " tokens at a time; give at least 1");
        }
        return new TaskEvaluation(model, tokenizer, tokens, inFull, show, finished, identity, progress);
    }

    /** Scores each candidate by itself from its first token on: the same result, for comparison. */
    public TaskEvaluation inFull() {
        return new TaskEvaluation(model, tokenizer, batchTokens, true, show, finished, identity, progress);
    }

    /** Shows the first questions of each task as the model reads them. */
    public TaskEvaluation show(int questions) {
        return new TaskEvaluation(model, tokenizer, batchTokens, inFull, questions, finished, identity, progress);
    }

    /**
     * Takes runs that are done from there, and keeps new ones there.
     *
     * @param model what tells the model and its precision from all others
     */
    public TaskEvaluation finished(ResultCache<TaskRun> runs, String model) {
        return new TaskEvaluation(this.model, tokenizer, batchTokens, inFull, show, runs, model, progress);
    }

    public TaskEvaluation onProgress(Progress listener) {
        return new TaskEvaluation(model, tokenizer, batchTokens, inFull, show, finished, identity, listener);
    }

    /**
     * Puts the questions.
     *
     * @throws EvalException if no question fits the model's context, a token is not in its vocabulary, or a likelihood is
     *     not a number
     */
    public TaskResult score(Questions questions) {
        int runs = questions.settings().distinctRuns();
        List<TaskRun> all = new ArrayList<>();
        for (int run = 0; run < runs; run++) {
            String key = ResultCache.key(identity, questions.identity(run));
            Optional<TaskRun> done = finished.find(key);
            if (done.isPresent()) {
                all.add(done.get());
            } else {
                TaskRun outcomes = run(questions, run);
                finished.add(key, questions.task() + ", run " + run, outcomes);
                all.add(outcomes);
            }
        }
        return TaskResults.of(questions, all, shown(questions));
    }

    private PromptBuilder prompts(Questions questions, int run) {
        return questions.prompts(tokenizer, model.config().context(), run);
    }

    /**
     * Puts the questions once.
     *
     * @param run which draw of examples stands before them
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

    /** One question's candidates. */
    private record Scored(double[] scores, List<Likelihood> likelihoods) {}

    private List<Scored> score(Questions questions, List<PromptBuilder.Prompts> built) {
        Normalisation normalisation = questions.task().scoring().normalise();
        // Apart, since few-shot examples stand before the candidates and not before the answers alone.
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

    /** Each different request is scored once: the same answer alone occurs many times. */
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
