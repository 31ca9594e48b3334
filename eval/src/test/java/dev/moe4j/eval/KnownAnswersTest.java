package dev.moe4j.eval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import dev.moe4j.eval.task.Example;
import dev.moe4j.eval.task.PromptBuilder;
import dev.moe4j.eval.task.Questions;
import dev.moe4j.eval.task.Task;
import dev.moe4j.eval.task.TaskEvaluation;
import dev.moe4j.eval.task.TaskResult;
import dev.moe4j.eval.task.TaskSettings;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * Evaluates every built-in task on small files in its published formats, with a model whose likelihoods are known. The
 * expected prompts in {@code expected-prompts.json} were written by hand after the study's description. The expected
 * metrics are computed here independently, from these texts and the model's table.
 */
class KnownAnswersTest {

    private static final Path PUBLISHED = Path.of("src/test/resources/dev/moe4j/eval/published");
    private static final JsonNode EXPECTED = expected();

    /** The answer rules of the tasks, stated independently. */
    private static final Set<String> BY_SUM = Set.of("winogrande");

    private static final Set<String> BY_ANSWER_PROMPT = Set.of("openbookqa", "arc_easy", "arc_challenge");
    private static final Set<String> WHOLE =
            Set.of("winogrande", "openbookqa", "arc_easy", "arc_challenge", "stereoset", "crows_pairs");
    private static final Set<String> GREEDY = Set.of("lambada", "gpt3_two_digit_addition");

    private static final List<BigramModel> MODELS = new ArrayList<>();

    @BeforeAll
    static void setWeights() {
        MODELS.add(new BigramModel(1, 512, " key"));
        MODELS.add(new BigramModel(2, 512, " 11"));
    }

    @AfterAll
    static void close() {
        MODELS.forEach(BigramModel::close);
    }

    private static JsonNode expected() {
        try (InputStream in =
                Objects.requireNonNull(KnownAnswersTest.class.getResourceAsStream("expected-prompts.json"))) {
            return JsonMapper.shared().readTree(in);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    static Stream<String> cases() {
        return EXPECTED.propertyStream().map(Map.Entry::getKey);
    }

    /** An expected question. */
    private record Item(List<String> before, List<String> scored, Set<Integer> gold) {}

    private static List<Item> items(String name) {
        List<Item> items = new ArrayList<>();
        for (JsonNode item : EXPECTED.path(name)) {
            List<String> before = new ArrayList<>();
            List<String> scored = new ArrayList<>();
            item.get(0).forEach(candidate -> {
                before.add(candidate.get(0).asString());
                scored.add(candidate.get(1).asString());
            });
            Set<Integer> gold = new TreeSet<>();
            item.get(1).forEach(index -> gold.add(index.asInt()));
            items.add(new Item(before, scored, gold));
        }
        return items;
    }

    private static String task(String name) {
        return name.replaceFirst("@.*", "");
    }

    private static Questions questions(String name) {
        Path folder = name.contains("@") ? PUBLISHED.resolve(name.replaceFirst(".*@", "")) : PUBLISHED;
        return Questions.read(Task.named(task(name)).getFirst(), folder, TaskSettings.ZERO_SHOT);
    }

    @Test
    void everyTaskIsHere() {
        Set<String> tested = new LinkedHashSet<>();
        cases().forEach(name -> tested.add(task(name)));
        Set<String> all = new TreeSet<>(Task.builtIn().keySet());
        all.removeIf(name -> name.startsWith("gpt3_")); // one description for all of them
        tested.removeIf(name -> name.startsWith("gpt3_"));
        assertThat(tested).containsExactlyInAnyOrderElementsOf(all);
        assertThat(Task.builtIn()).hasSize(18 + 2 + 11);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void promptsAreTheStudys(String name) {
        List<Item> items = items(name);
        List<Example> examples = questions(name).examples();

        assertThat(examples).hasSameSizeAs(items);
        for (int i = 0; i < items.size(); i++) {
            assertThat(examples.get(i).candidates())
                    .extracting(Example.Candidate::prompt)
                    .isEqualTo(items.get(i).before());
            assertThat(examples.get(i).candidates())
                    .extracting(Example.Candidate::continuation)
                    .isEqualTo(items.get(i).scored());
            assertThat(examples.get(i).gold()).isEqualTo(items.get(i).gold());
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void figuresAreThoseOfAKnownModel(String name) {
        for (BigramModel bigrams : MODELS) {
            TaskResult result =
                    TaskEvaluation.of(bigrams.model(), BigramModel.TOKENIZER).score(questions(name));

            Map<String, Double> expected = figures(task(name), items(name), bigrams);
            assertThat(result.figures())
                    .extracting(TaskResult.Figure::name)
                    .containsExactlyInAnyOrderElementsOf(expected.keySet());
            for (TaskResult.Figure figure : result.figures()) {
                assertThat(figure.mean())
                        .as(figure.name())
                        .isCloseTo(Objects.requireNonNull(expected.get(figure.name())), withinPercentage(1e-6));
            }
        }
    }

    /** Compares every candidate of every question, so that no wrong likelihood stays hidden in a metric. */
    @ParameterizedTest
    @MethodSource("cases")
    void scoresAreThePlainSumsOverTokens(String name) {
        BigramModel bigrams = MODELS.getFirst();
        List<Item> items = items(name);
        TaskResult result = TaskEvaluation.of(bigrams.model(), BigramModel.TOKENIZER)
                .show(items.size())
                .score(questions(name));

        assertThat(result.shown()).hasSameSizeAs(items);
        for (int i = 0; i < items.size(); i++) {
            double[] expected = scores(task(name), items.get(i), bigrams);
            List<TaskResult.ShownCandidate> shown = result.shown().get(i).candidates();
            assertThat(shown).hasSize(expected.length);
            for (int c = 0; c < expected.length; c++) {
                assertThat(shown.get(c).score()).as(shown.get(c).text()).isCloseTo(expected[c], withinPercentage(1e-6));
            }
        }
    }

    // ---- expected metrics from texts and table ----

    private static Map<String, Double> figures(String task, List<Item> items, BigramModel model) {
        if (GREEDY.contains(task)) {
            return Map.of(
                    "accuracy",
                    items.stream()
                            .mapToDouble(item -> greedy(item, model) ? 1 : 0)
                            .average()
                            .orElseThrow(),
                    "perplexity",
                    Math.exp(-items.stream()
                            .mapToDouble(item -> sum(
                                    model,
                                    item.before().getFirst(),
                                    item.scored().getFirst(),
                                    0))
                            .average()
                            .orElseThrow()));
        }
        if (task.equals("stereoset")) {
            return stereoset(items, model);
        }
        double right = 0;
        for (Item item : items) {
            double[] scores = scores(task, item, model);
            int best = 0;
            for (int i = 1; i < scores.length; i++) {
                best = scores[i] > scores[best] ? i : best;
            }
            right += item.gold().contains(best) ? 1 : 0;
        }
        return Map.of(task.equals("crows_pairs") ? "preference" : "accuracy", right / items.size());
    }

    private static double[] scores(String task, Item item, BigramModel model) {
        boolean whole = WHOLE.contains(task) || item.before().size() == 1;
        int shared = whole ? 0 : sharedBytes(item);
        double[] scores = new double[item.before().size()];
        for (int i = 0; i < scores.length; i++) {
            String before = item.before().get(i);
            String scored = item.scored().get(i);
            int skipped = Math.max(0, shared - bytes(before).length);
            double sum = sum(model, before, scored, skipped);
            if (BY_ANSWER_PROMPT.contains(task)) {
                scores[i] = sum - sum(model, "Answer:", scored, 0);
            } else {
                scores[i] = BY_SUM.contains(task) ? sum : sum / (bytes(scored).length - skipped);
            }
        }
        return scores;
    }

    private static int sharedBytes(Item item) {
        int shared = Integer.MAX_VALUE;
        byte[] first = bytes(item.before().getFirst() + item.scored().getFirst());
        for (int i = 0; i < item.before().size(); i++) {
            byte[] text = bytes(item.before().get(i) + item.scored().get(i));
            int same = 0;
            while (same < Math.min(first.length, text.length) && first[same] == text[same]) {
                same++;
            }
            shared = Math.min(shared, Math.min(same, text.length - 1));
        }
        return shared;
    }

    /** ln p of a text after another text and the end-of-text token, without its first bytes. */
    private static double sum(BigramModel model, String before, String scored, int skipped) {
        int[] tokens = tokens(before + scored);
        return Arrays.stream(model.logProbabilities(tokens, tokens.length - bytes(scored).length + skipped))
                .sum();
    }

    private static boolean greedy(Item item, BigramModel model) {
        int[] tokens = tokens(item.before().getFirst() + item.scored().getFirst());
        return model.isGreedy(tokens, tokens.length - bytes(item.scored().getFirst()).length);
    }

    /** The targets and labels of the three records in the published files. */
    private static Map<String, Double> stereoset(List<Item> items, BigramModel model) {
        int[][] order = {{0, 1, 2}, {2, 1, 0}, {0, 1, 2}};
        double[][] parts = new double[items.size()][];
        for (int i = 0; i < items.size(); i++) {
            double[] scores = scores("stereoset", items.get(i), model);
            double stereotype = scores[order[i][0]];
            double opposite = scores[order[i][1]];
            double unrelated = scores[order[i][2]];
            parts[i] = new double[] {
                (stereotype > unrelated ? 0.5 : 0) + (opposite > unrelated ? 0.5 : 0), stereotype > opposite ? 1 : 0
            };
        }
        double lms = ((parts[0][0] + parts[1][0]) / 2 + parts[2][0]) / 2;
        double ss = ((parts[0][1] + parts[1][1]) / 2 + parts[2][1]) / 2;
        return Map.of("lms", lms, "ss", ss, "icat", lms * Math.min(ss, 1 - ss) / 0.5);
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    private static int[] tokens(String text) {
        return PromptBuilder.join(new int[] {BigramModel.TOKENIZER.endOfText()}, BigramModel.TOKENIZER.encode(text));
    }
}
