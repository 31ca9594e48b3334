package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.config.ConfigException;
import dev.moe4j.eval.EvalException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TaskTest {
    private static final String COLOURS = """
            about: the colour of a thing
            splits:
              test: [test.jsonl]
            test: test
            layouts:
              - fields: {thing: "{name}", colours: "{colours}", right: "{right}"}
            prompt: "The {thing} is"
            choices: ["{colours}"]
            label: "{right}"
            """;

    @TempDir
    private Path temp;

    /** The example of docs/tasks.md. */
    @Test
    void aTaskOfOnesOwnNeedsNoCode() throws IOException {
        String page = Files.readString(Path.of("../docs/tasks.md"));
        String yaml = page.substring(page.indexOf("```yaml") + "```yaml".length());
        Path file = Files.writeString(temp.resolve("capitals.yaml"), yaml.substring(0, yaml.indexOf("```")));
        String records = page.substring(page.indexOf("```json") + "```json".length());
        Files.writeString(
                temp.resolve("test.jsonl"),
                records.substring(0, records.indexOf("```")).strip());

        Task task = Task.named(file.toString()).getFirst();
        List<Example> examples =
                Questions.read(task, temp, TaskSettings.ZERO_SHOT).examples();

        assertThat(task.name()).isEqualTo("capitals");
        assertThat(examples).hasSize(2);
        assertThat(examples.getFirst().candidates().getFirst())
                .isEqualTo(new Example.Candidate("The capital of France is", " Paris"));
        assertThat(examples)
                .extracting(Example::gold)
                .allSatisfy(gold -> assertThat(gold).hasSize(1));
        assertThat(examples).extracting(Example::category).containsExactly("Europe", "Asia");
    }

    @Test
    void namesThatAreNoneHaveTheNearest() {
        assertThatThrownBy(() -> Task.named("helaswag"))
                .isInstanceOf(EvalException.class)
                .hasMessageStartingWith("no task is named helaswag; the nearest are hellaswag");
        assertThatThrownBy(() -> Task.named("quux"))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("no task is named quux; use a built-in task");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '~',
            value = {
                "prompt:~promt:~own.yaml:7: unknown key promt; did you mean prompt?",
                "label:~scoring: {normalize: sum}\\nlabel:~unknown key scoring.normalize; did you mean scoring.normalise?",
                "label:~scoring: {normalise: median}\\nlabel:~expected one of [sum, mean, bytes, pmi], found \"median\"",
                "The {thing} is~The {thin} is~own.yaml: {thin} is not a field of every layout; the nearest are thing",
                "The {thing} is~The {thing is~has a brace that is not closed",
                "The {thing} is~The {thing|shout} is~has the unknown filter shout; the filters are lower_first",
                "test: test~test: dev~own.yaml: test: \"dev\" is not among the splits [test]",
                "label: \"{right}\"~about: x~given twice",
                "label: \"{right}\"~source: x~label is missing",
                "choices: [\"{colours}\"]~source: x~choices is missing",
                "label:~scoring: {normalise: pmi}\\nlabel:~scoring.answer_prompt belongs to normalise: pmi",
                "prompt:~x: [~own.yaml:",
            })
    void aFaultyDescriptionIsToldWithItsPlace(String part, String replacement, String message) {
        String yaml = COLOURS.replace(part, replacement.replace("\\n", "\n"));
        assertThat(yaml).isNotEqualTo(COLOURS);
        assertThatThrownBy(() -> Task.parse(yaml, "own.yaml", "own"))
                .isInstanceOfAny(EvalException.class, ConfigException.class)
                .hasMessageContaining(message);
    }

    @Test
    void aLayoutRefersToItsOwnFields() {
        String bad = COLOURS.replace("right: \"{right}\"}", "right: \"{right}\"}\n    patterns: {rihgt: 'x'}");
        assertThatThrownBy(() -> Task.parse(bad, "own.yaml", "own"))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("patterns refers to rihgt, which is not a field of its layout");
        String broken = COLOURS.replace("right: \"{right}\"}", "right: \"{right}\"}\n    patterns: {right: '('}");
        assertThatThrownBy(() -> Task.parse(broken, "own.yaml", "own"))
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("the pattern of right is not a valid regular expression");
    }

    @Test
    void filtersChangeFirstLetters() {
        assertThat(Template.parse("{{{a|lower_first}}").text(_ -> List.of("The")))
                .isEqualTo("{the}");
        assertThat(Template.parse("{a|lower_first}").text(_ -> List.of("I saw")))
                .isEqualTo("I saw");
        assertThat(Template.parse("{a|lower_first}").text(_ -> List.of("It saw")))
                .isEqualTo("it saw");
        assertThat(Template.parse("{a|upper_first}!").text(_ -> List.of("éa"))).isEqualTo("Éa!");
        assertThat(Template.parse("<{a|trim}>").text(_ -> List.of(" x "))).isEqualTo("<x>");
        assertThat(Template.parse("{a|upper_first}").text(_ -> List.of(""))).isEmpty();
        assertThat(Template.parse("{a}").values(_ -> List.of("x", "y"))).containsExactly("x", "y");
        assertThatThrownBy(() -> Template.parse("{a} z").text(_ -> List.of("x", "y")))
                .isInstanceOf(EvalException.class)
                .hasMessage("\"{a} z\" expects one text for a, but there are 2");
    }
}
