package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class QuestionsTest {
    private static final Path TASKS = Path.of("../../shared/data/tasks");

    @TempDir
    private Path temp;

    private Questions read(String task, TaskSettings settings) {
        return Questions.read(Task.named(task).getFirst(), temp, settings);
    }

    private void write(String file, String text) throws IOException {
        Path path = temp.resolve(file);
        Files.createDirectories(path.getParent());
        Files.writeString(path, text);
    }

    private static String piqa(int records) {
        return IntStream.range(0, records)
                .mapToObj(i -> "{\"goal\":\"g" + i + "\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":" + i % 2 + "}\n")
                .collect(Collectors.joining());
    }

    private void assertFails(String task, String message) {
        assertThatThrownBy(() -> read(task, TaskSettings.ZERO_SHOT))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining(message)
                .message()
                .hasLineCount(1);
    }

    /** The complete benchmark files in their published layouts, if a developer has them next to the project. */
    @ParameterizedTest
    @CsvSource({
        "arc_easy, 2376", "boolq, 3270", "cb, 56", "copa, 100", "crows_pairs, 1508", "gpt3_two_digit_addition, 2000",
        "hellaswag, 10042", "lambada, 5153", "openbookqa, 500", "piqa, 1838", "sst2, 872", "stereoset, 1294",
        "winogender_female, 60", "winogender_male, 60", "winogrande, 1267"
    })
    void publishedFilesAreRead(String task, int count) {
        Assumptions.assumeTrue(Files.isDirectory(TASKS), "needs " + TASKS);
        assertThat(Questions.read(Task.named(task).getFirst(), TASKS, TaskSettings.ZERO_SHOT)
                        .count())
                .isEqualTo(count);
    }

    @Test
    void aSplitThatIsNone() throws IOException {
        write("piqa/validation.jsonl", piqa(3));
        TaskSettings dev = new TaskSettings("dev", 0, 1, 1, 9, true, TaskSettings.Newlines.KEEP);
        assertThatThrownBy(() -> read("piqa", dev))
                .isInstanceOf(EvalException.class)
                .hasMessage("the task piqa has no split dev; its splits are train, validation");
        TaskSettings train = new TaskSettings("train", 0, 1, 1, 9, true, TaskSettings.Newlines.KEEP);
        assertThatThrownBy(() -> read("piqa", train))
                .isInstanceOf(EvalException.class)
                .hasMessage(
                        "no file of the split train of piqa is in " + temp.resolve("piqa")
                                + ", which has validation.jsonl; the file may be named train.jsonl + train-labels.lst or train.jsonl");
        assertFails("sst2", "no file of the split validation of sst2 is in " + temp);
    }

    @Test
    void missingLabelsAreTold() throws IOException {
        write("piqa/validation.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n");
        assertFails(
                "piqa",
                "validation.jsonl:1: it has no label, which the task piqa needs; its keys are goal, sol1, sol2. A split"
                        + " without labels cannot be scored: choose another split");
        write("piqa/validation.jsonl", piqa(1) + "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n");
        assertFails("piqa", "validation.jsonl:2: it has no label");
        write("piqa/validation.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":\"\"}\n");
        assertFails("piqa", "validation.jsonl:1: its label \"\" is not one of 0, 1 (a split without labels");
        write("piqa/validation.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\",\"label\":2}\n");
        assertFails("piqa", "validation.jsonl:1: its label \"2\" is not one of 0, 1");
    }

    @Test
    void labelsBesideTheRecordsMustBeAsMany() throws IOException {
        write("piqa/valid.jsonl", "{\"goal\":\"g\",\"sol1\":\"a\",\"sol2\":\"b\"}\n".repeat(2));
        write("piqa/valid-labels.lst", "0\n");
        assertFails("piqa", "valid-labels.lst has only 1 labels for the records of");
        write("piqa/valid-labels.lst", "0\n1\n1\n");
        assertFails("piqa", "valid-labels.lst has 3 labels, but");
    }

    /**
     * Positions count Unicode code points, as in Python, which made the published files. A Java string counts the first
     * character twice.
     */
    @Test
    void piecesOfATextAreCountedInUnicodeCharacters() throws IOException {
        write("record/validation.jsonl", """
                {"passage": {"text": "😀 Bob met Al", "entities": [{"start": 2, "end": 4}, {"start": 10, "end": 11}]}, \
                "qas": [{"query": "@placeholder waved.", "answers": [{"text": "Bob"}]}]}
                """);

        assertThat(read("record", TaskSettings.ZERO_SHOT).examples().getFirst().labels())
                .containsExactly("Bob", "Al");
    }

    @Test
    void aMalformedLineIsNamed() throws IOException {
        write("piqa/validation.jsonl", piqa(2) + "{\"goal\":\"g\",\n" + piqa(1));
        assertFails("piqa", "validation.jsonl:3: not valid JSON (");
        write("piqa/validation.jsonl", piqa(2) + "[1]\n");
        assertFails("piqa", "validation.jsonl:3: expected a JSON object");
        write("piqa/validation.jsonl", piqa(1).strip() + " {}\n");
        assertFails("piqa", "validation.jsonl:1: not valid JSON (");
        write("piqa/validation.jsonl", "{\"goal\":{},\"sol1\":\"a\",\"sol2\":\"b\",\"label\":0}\n");
        assertFails("piqa", "validation.jsonl:1: goal is an object, not text");
        write("piqa/validation.jsonl", "\n\n");
        assertFails("piqa", "validation.jsonl has no record to score");
        Files.write(
                temp.resolve("piqa/validation.jsonl"), "{\"goal\":\"\u00e9\"}".getBytes(StandardCharsets.ISO_8859_1));
        assertFails("piqa", "validation.jsonl is not UTF-8 text");
        write("stereoset/dev.json", "{\"data\":\n{");
        assertFails("stereoset", "dev.json:2: not valid JSON (");
        write(
                "winogrande/dev.jsonl",
                "{\"sentence\":\"no blank\",\"option1\":\"a\",\"option2\":\"b\",\"answer\":\"1\"}");
        assertFails("winogrande", "dev.jsonl:1: sentence does not match the pattern");
        write("cb/val.jsonl", "{\"premise\":\"p\",\"hypothesis\":\"h\",\"label\":\"maybe\"}");
        assertFails("cb", "val.jsonl:1: its label \"maybe\" is not one of entailment, contradiction, neutral");
        write(
                "copa/val.jsonl",
                "{\"premise\":\"p\",\"choice1\":\"a\",\"choice2\":\"b\",\"question\":\"why\",\"label\":0}");
        assertFails("copa", "val.jsonl:1: connective is \"why\", which is not one of cause, effect");
    }

    @Test
    void aMalformedTableIsNamed() throws IOException {
        write("crows_pairs/test.csv", ",sent_more,sent_less,bias_type\n0,a,b,c\n1,a,b\n");
        assertFails("crows_pairs", "test.csv:3: 3 columns, but the header has 4");
        write("crows_pairs/test.csv", ",sent_more,sent_less,bias_type\n0,a,b,c\n1,\"a,b,c\n");
        assertFails("crows_pairs", "test.csv:2: not valid CSV (");
        write("crows_pairs/test.csv", "a,a\n1,2\n");
        assertFails("crows_pairs", "test.csv:1: not a valid header (");
        write("crows_pairs/test.csv", ",sent_more,bias_type\n0,a,b\n");
        assertFails("crows_pairs", "test.csv:2: it has no sent_less");
    }

    @Test
    void examplesAreDrawnBySeedWithoutReplacement() throws IOException {
        write("piqa/validation.jsonl", piqa(3));
        write("piqa/train.jsonl", piqa(20));
        Questions questions = read("piqa", TaskSettings.ZERO_SHOT.withShots(12, 25));

        assertThat(questions.count()).isEqualTo(3);
        assertThat(questions.total()).isEqualTo(75);
        Set<List<Example>> draws = new HashSet<>();
        Set<Example> seen = new HashSet<>();
        for (int run = 0; run < 25; run++) {
            List<Example> draw = questions.draw(run);
            assertThat(draw).hasSize(12).doesNotHaveDuplicates().isEqualTo(questions.draw(run));
            draws.add(draw);
            seen.addAll(draw);
        }
        assertThat(draws).hasSize(25);
        assertThat(seen).hasSize(20);
        TaskSettings other = new TaskSettings(null, 12, 25, 2, 9, true, TaskSettings.Newlines.KEEP);
        assertThat(read("piqa", other).draw(0)).isNotEqualTo(questions.draw(0));
        assertThatThrownBy(() -> read("piqa", TaskSettings.ZERO_SHOT.withShots(21, 1)))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("piqa: 21 examples are asked for, but train (")
                .hasMessageContaining("has 20; use fewer shots");
    }

    @Test
    void withoutAFileOfExamplesEveryTenthRecordIsOne() throws IOException {
        write("piqa/validation.jsonl", piqa(25));
        Questions questions = read("piqa", TaskSettings.ZERO_SHOT.withShots(2, 1));

        assertThat(questions.count()).isEqualTo(23);
        assertThat(questions.draw(0))
                .extracting(example -> example.candidates().getFirst().prompt())
                .containsExactlyInAnyOrder("g9", "g19");
        assertThat(questions.poolSource()).isEqualTo("every 10th record of validation, left out of the questions");
        assertThat(read("piqa", TaskSettings.ZERO_SHOT).count()).isEqualTo(25);
    }

    @Test
    void aLimitIsSpreadEvenly() throws IOException {
        write("piqa/validation.jsonl", piqa(20));
        assertThat(read("piqa", TaskSettings.ZERO_SHOT.withLimit(4)).examples())
                .extracting(example -> example.candidates().getFirst().prompt())
                .containsExactly("g2", "g7", "g12", "g17");
    }
}
