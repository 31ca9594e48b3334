package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.eval.BigramModel;
import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class TaskEvaluationTest {
    private static final String WORDS = """
            splits:
              train: [train.tsv]
              test: [test.tsv]
            test: test
            examples: train
            layouts:
              - fields: {word: "{word}", a: "{a}", b: "{b}", right: "{right}", kind: "{kind}"}
            prompt: "{word}"
            choices: ["{a}", "{b}"]
            label: "{right}"
            category: "{kind}"
            """;
    private static BigramModel bigrams;

    @TempDir
    private Path temp;

    private Task task;

    @BeforeAll
    static void setWeights() {
        bigrams = new BigramModel(3, 64, "");
    }

    @AfterAll
    static void close() {
        bigrams.close();
    }

    @BeforeEach
    void writeTask() throws IOException {
        task = Task.parse(WORDS, "words.yaml", "words").getFirst();
        Files.writeString(temp.resolve("test.tsv"), table(1, 40));
        Files.writeString(temp.resolve("train.tsv"), table(2, 30));
    }

    private static String table(int seed, int rows) {
        SplittableRandom random = new SplittableRandom(seed);
        return "word\ta\tb\tright\tkind\n"
                + IntStream.range(0, rows)
                        .mapToObj(i -> String.join(
                                "\t",
                                word(random),
                                word(random),
                                word(random),
                                Integer.toString(random.nextInt(2)),
                                i % 4 == 0 ? "rare" : "common"))
                        .collect(Collectors.joining("\n"))
                + "\n";
    }

    private static String word(SplittableRandom random) {
        return random.ints(3 + random.nextInt(4), 'a', 'z' + 1)
                .mapToObj(c -> String.valueOf((char) c))
                .collect(Collectors.joining());
    }

    private static TaskEvaluation evaluation() {
        return TaskEvaluation.of(bigrams.model(), BigramModel.TOKENIZER);
    }

    private TaskResult score(TaskSettings settings) {
        return evaluation().score(Questions.read(task, temp, settings));
    }

    @Test
    void fewShotIsTheMeanOverRuns() {
        TaskResult result = score(TaskSettings.ZERO_SHOT.withShots(3, 4));

        double[] runs = new double[4];
        for (int run = 0; run < 4; run++) {
            runs[run] = accuracy(run);
        }
        double mean = Arrays.stream(runs).average().orElseThrow();
        double squares = Arrays.stream(runs).map(x -> (x - mean) * (x - mean)).sum();
        assertThat(result.runs()).isEqualTo(4);
        assertThat(result.shots()).isEqualTo(3);
        assertThat(result.examples()).startsWith("train (");
        assertThat(result.main().mean()).isCloseTo(mean, within(1e-12));
        assertThat(result.main().deviation())
                .isPositive()
                .as("the runs differ, since a token's place counts")
                .isCloseTo(Math.sqrt(squares / 3), within(1e-12));
        assertThat(result.main().low()).isLessThan(mean);
        assertThat(result.main().high()).isGreaterThan(mean);
        assertThat(result.chance()).isEqualTo(0.5);
        assertThat(result.strata()).isEqualTo("category");
        assertThat(result.categories()).extracting(TaskResult.Category::name).containsExactly("rare", "common");
        assertThat(result.categories())
                .extracting(TaskResult.Category::questions)
                .containsExactly(10, 30);
        assertThat(result.categories().get(0).figures().getFirst().mean() / 4
                        + result.categories().get(1).figures().getFirst().mean() * 3 / 4)
                .isCloseTo(mean, within(1e-12));
    }

    /** Computes a run's accuracy directly from the texts. */
    private double accuracy(int run) {
        Questions questions = Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(3, 4));
        StringBuilder before = new StringBuilder("|");
        for (Example shot : questions.draw(run)) {
            before.append(shot.answer().prompt())
                    .append(shot.answer().continuation())
                    .append('|');
        }
        double right = 0;
        for (Example example : questions.examples()) {
            double[] means = new double[2];
            String first = example.candidates().get(0).continuation();
            String second = example.candidates().get(1).continuation();
            int shared = 0;
            while (first.charAt(shared) == second.charAt(shared)) {
                shared++;
            }
            for (int i = 0; i < 2; i++) {
                Example.Candidate candidate = example.candidates().get(i);
                int[] tokens = (before + candidate.prompt() + candidate.continuation())
                        .chars()
                        .map(c -> c == '|' ? 256 : c)
                        .toArray();
                int from = tokens.length - candidate.continuation().length() + shared;
                means[i] = Arrays.stream(bigrams.logProbabilities(tokens, from))
                        .average()
                        .orElseThrow();
            }
            right += example.gold().contains(means[0] > means[1] ? 0 : 1) ? 1 : 0;
        }
        return right / questions.count();
    }

    @Test
    void withoutExamplesThereIsOneRun() {
        TaskResult result = score(TaskSettings.ZERO_SHOT.withShots(0, 25));
        assertThat(result.runs()).isEqualTo(1);
        assertThat(result.main().deviation()).isNaN();
        assertThat(result.examples()).isEmpty();
        assertThat(result.begin()).isEqualTo("the end-of-text token");
        assertThat(result.formulation()).isEqualTo("{word}⟦ {choice}⟧");
        assertThat(result.normalisation()).isEqualTo("mean token log-probability");
        assertThat(result.scored()).isEqualTo("the part after the candidates' longest common prefix");
    }

    @Test
    void theBatchDoesNotMatter() {
        Questions questions = Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(3, 2));
        TaskResult one = evaluation().batchTokens(1).score(questions);
        assertThat(evaluation().batchTokens(100_000).score(questions)).isEqualTo(one);
        assertThat(evaluation().inFull().score(questions)).isEqualTo(one);
        assertThatThrownBy(() -> evaluation().batchTokens(0)).isInstanceOf(EvalException.class);
    }

    @Test
    void showsWhatTheModelReads() throws IOException {
        Files.writeString(temp.resolve("test.tsv"), "word\ta\tb\tright\tkind\none\tthis\tthat\t1\tk\n");
        Files.writeString(temp.resolve("train.tsv"), "word\ta\tb\tright\tkind\ntwo\tyes\tno\t0\tk\n");
        TaskResult result =
                evaluation().show(3).score(Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(1, 1)));

        assertThat(result.shown()).singleElement().satisfies(shown -> {
            assertThat(shown.place()).endsWith("test.tsv:2");
            assertThat(shown.candidates())
                    .extracting(TaskResult.ShownCandidate::text)
                    .containsExactly("⟨end⟩two yes⟨end⟩one th⟦is⟧", "⟨end⟩two yes⟨end⟩one th⟦at⟧");
            assertThat(shown.candidates())
                    .extracting(TaskResult.ShownCandidate::tokens)
                    .containsExactly(2, 2);
            assertThat(shown.candidates())
                    .extracting(TaskResult.ShownCandidate::right)
                    .containsExactly(false, true);
        });
    }

    @Test
    void whatDoesNotFitIsCounted() throws IOException {
        String header = "word\ta\tb\tright\tkind\n";
        Files.writeString(
                temp.resolve("test.tsv"),
                header + "w\ta\tb\t1\tk\n" + "long".repeat(20) + "\ta\tb\t1\tk\n" + "w\ta\t" + "b".repeat(65)
                        + "\t1\tk\n");
        TaskResult result = score(TaskSettings.ZERO_SHOT.withShots(7, 1));
        assertThat(result.questions()).isEqualTo(2);
        assertThat(result.leftOut()).isEqualTo(1);
        assertThat(result.cutPrompts()).isEqualTo(1);
        assertThat(result.droppedExamples()).isBetween(8L, 13L);

        Files.writeString(temp.resolve("test.tsv"), header + "w\ta\t" + "b".repeat(65) + "\t1\tk\n");
        assertThatThrownBy(() -> score(TaskSettings.ZERO_SHOT))
                .isInstanceOf(EvalException.class)
                .hasMessage(
                        "words: not one of 1 questions fits the model's context; use a model with a longer context");
    }

    @Test
    void finishedRunsAreNotRepeated() throws IOException {
        Path file = temp.resolve("results.jsonl");
        Questions questions = Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(2, 3));
        List<Long> heard = new ArrayList<>();
        TaskEvaluation evaluation = evaluation().onProgress((done, _) -> heard.add(done));

        TaskResult first = evaluation
                .finished(ResultCache.open(file, TaskRun.class), "model")
                .score(questions);
        assertThat(heard).containsExactly(40L, 80L, 120L);

        // Stopped while the last run was being written.
        String text = Files.readString(file);
        Files.writeString(file, text.substring(0, text.length() - 20));
        heard.clear();
        assertThat(evaluation
                        .finished(ResultCache.open(file, TaskRun.class), "model")
                        .score(questions))
                .isEqualTo(first);
        assertThat(heard).containsExactly(120L);
        assertThat(file).hasContent(text.strip());

        heard.clear();
        assertThat(evaluation
                        .finished(ResultCache.open(file, TaskRun.class), "model")
                        .score(questions))
                .isEqualTo(first);
        assertThat(heard).isEmpty();

        evaluation
                .finished(ResultCache.open(file, TaskRun.class), "other model")
                .score(questions);
        assertThat(heard).as("another model is another run").hasSize(3);
        heard.clear();
        evaluation
                .finished(ResultCache.open(file, TaskRun.class), "model")
                .score(Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(3, 1)));
        assertThat(heard).as("so are other shots").hasSize(1);
        heard.clear();
        Files.writeString(temp.resolve("train.tsv"), table(9, 30));
        evaluation
                .finished(ResultCache.open(file, TaskRun.class), "model")
                .score(Questions.read(task, temp, TaskSettings.ZERO_SHOT.withShots(2, 3)));
        assertThat(heard).as("and other files").hasSize(3);
    }

    /** Simulates a change of a scoring rule. */
    @Test
    void resultsOfAnotherScoringVersionAreMadeAnew() {
        Path file = temp.resolve("results.jsonl");
        Questions questions = Questions.read(task, temp, TaskSettings.ZERO_SHOT);
        TaskRun wrong = new TaskRun(new double[questions.count()][1], 0, 0);
        ResultCache<TaskRun> earlier = ResultCache.open(file, TaskRun.class);
        earlier.add(ResultCache.key(ResultCache.SCORING_VERSION - 1, "model", questions.identity(0)), "earlier", wrong);

        TaskResult result = evaluation().finished(earlier, "model").score(questions);
        assertThat(result).isEqualTo(evaluation().score(questions));
        assertThat(result.main().mean()).isPositive();
        assertThat(file).content().hasLineCount(2);
    }
}
