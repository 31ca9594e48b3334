package dev.moe4j.eval.task;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.eval.EvalException;
import dev.moe4j.eval.scoring.Request;
import dev.moe4j.eval.task.Example.Candidate;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PromptBuilderTest {
    private static final Tokenizer BYTES = Tokenizer.of("bytes");
    private static final TaskFile.Scoring DIFFERENCE = TaskFile.EMPTY.scoring();
    private static final TaskFile.Scoring WHOLE =
            new TaskFile.Scoring(Measure.ACCURACY, Normalisation.SUM, TaskFile.Part.CONTINUATION, null, null);

    private static Example example(String prompt, String... continuations) {
        List<Candidate> candidates = java.util.Arrays.stream(continuations)
                .map(continuation -> new Candidate(prompt, continuation))
                .toList();
        return new Example(
                "file:1",
                candidates,
                candidates.stream().map(Candidate::continuation).toList(),
                Set.of(0),
                "",
                "");
    }

    private static PromptBuilder builder(int context, TaskFile.Scoring scoring, Example... shots) {
        return new PromptBuilder(BYTES, context, scoring, TaskSettings.ZERO_SHOT, List.of(shots));
    }

    /** The text with the scored part in brackets and a bar for each end-of-text token. */
    private static String text(Request request) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < request.length(); i++) {
            text.append(i == request.from() ? "[" : "");
            int token = request.tokens()[i];
            text.append(token == BYTES.endOfText() ? "|" : BYTES.decode(token));
        }
        return text.append("]").toString();
    }

    private static List<String> texts(PromptBuilder.Prompts prompts) {
        return prompts.candidates().stream().map(PromptBuilderTest::text).toList();
    }

    /** A tokenizer that adds a space before each text, and one that drops unknown words. */
    @Test
    void bytesAreThoseOfTheSource() {
        for (String name : List.of("metaspace-tokenizer.json", "wordpiece-tokenizer.json")) {
            Tokenizer tokenizer = Tokenizer.of("src/test/resources/dev/moe4j/eval/tokenizers/" + name);
            PromptBuilder prompts = new PromptBuilder(tokenizer, 99, WHOLE, TaskSettings.ZERO_SHOT, List.of());
            assertThat(prompts.build(example("the", "cat", "\u2603\u2603"))
                            .orElseThrow()
                            .candidates())
                    .as(name)
                    .extracting(Request::bytes)
                    .containsExactly(3, 6);
        }
        assertThat(builder(99, DIFFERENCE)
                        .build(example("Q", " the cat", " the doge"))
                        .orElseThrow()
                        .candidates())
                .extracting(Request::bytes)
                .containsExactly(3, 4);
    }

    @Test
    void whatCandidatesShareIsNotScored() {
        assertThat(texts(builder(99, DIFFERENCE)
                        .build(example("Q", " the cat", " the dog"))
                        .orElseThrow()))
                .containsExactly("|Q the [cat]", "|Q the [dog]");
        assertThat(texts(builder(99, WHOLE)
                        .build(example("Q", " the cat", " the dog"))
                        .orElseThrow()))
                .containsExactly("|Q[ the cat]", "|Q[ the dog]");
        assertThat(texts(builder(99, DIFFERENCE)
                        .build(example("Q", " no", " no way"))
                        .orElseThrow()))
                .as("at least the last token of each")
                .containsExactly("|Q n[o]", "|Q n[o way]");
        assertThat(texts(builder(99, DIFFERENCE)
                        .build(example("Q", " no", " no"))
                        .orElseThrow()))
                .containsOnly("|Q n[o]");
        assertThat(texts(builder(99, DIFFERENCE).build(example("Q", " only")).orElseThrow()))
                .containsExactly("|Q[ only]");
    }

    @Test
    void examplesStandBeforeTheQuestionWithTheirRightAnswers() {
        PromptBuilder builder = builder(99, WHOLE, example("A", " yes", " no"), example("B", " so", " thus"));
        assertThat(texts(builder.build(example("C", " x", " y")).orElseThrow()))
                .containsExactly("|A yes|B so|C[ x]", "|A yes|B so|C[ y]");

        TaskFile.Scoring lines =
                new TaskFile.Scoring(Measure.ACCURACY, Normalisation.SUM, TaskFile.Part.CONTINUATION, null, "\n\n");
        assertThat(texts(builder(99, lines, example("A", " yes"))
                        .build(example("C", " x"))
                        .orElseThrow()))
                .containsExactly("|A yes\n\nC[ x]");
    }

    @Test
    void whatDoesNotFitIsCutFromTheLeftByWholeExamplesAndAlikeForAllCandidates() {
        Example[] shots = {example("A", " 1"), example("B", " 2"), example("C", " 3")}; // 4 tokens each, with the end
        Example question = example("Q", " x", " longer");
        // 1 + 12 + 1 + 7 tokens, of which the last is never read.
        assertThat(texts(builder(20, WHOLE, shots).build(question).orElseThrow())
                        .getLast())
                .isEqualTo("|A 1|B 2|C 3|Q[ longer]");
        PromptBuilder.Prompts one = builder(19, WHOLE, shots).build(question).orElseThrow();
        assertThat(texts(one)).containsExactly("|B 2|C 3|Q[ x]", "|B 2|C 3|Q[ longer]");
        assertThat(one.dropped()).isEqualTo(1);
        assertThat(one.cut()).isZero();
        assertThat(builder(8, WHOLE, shots).build(question).orElseThrow().dropped())
                .isEqualTo(3);
    }

    @Test
    void aPromptThatDoesNotFitAloneLosesItsBeginning() {
        Example question = example("abcdef", " x", " yz");
        PromptBuilder.Prompts cut =
                builder(6, WHOLE, example("A", " 1")).build(question).orElseThrow();
        assertThat(texts(cut)).containsExactly("|def[ x]", "|def[ yz]");
        assertThat(cut.cut()).isEqualTo(3);
        assertThat(cut.dropped()).isEqualTo(1);
        assertThat(builder(2, WHOLE).build(question))
                .as("a scored part of 3 tokens")
                .isEmpty();
        assertThat(texts(builder(3, WHOLE).build(question).orElseThrow()).getLast())
                .isEqualTo("|[ yz]");
    }

    @Test
    void theAnswerPromptStandsInForTheQuestion() {
        TaskFile.Scoring scoring =
                new TaskFile.Scoring(Measure.ACCURACY, Normalisation.PMI, TaskFile.Part.CONTINUATION, "Answer:", null);
        PromptBuilder.Prompts prompts = builder(99, scoring, example("A", " 1"))
                .build(example("Q", " x", " y"))
                .orElseThrow();
        assertThat(prompts.alone()).extracting(PromptBuilderTest::text).containsExactly("|Answer:[ x]", "|Answer:[ y]");
        assertThat(builder(8, scoring).build(example("", " x")))
                .as("10 tokens, the answer prompt among them")
                .isEmpty();
    }

    @Test
    void textsMayBeginWithNothing() {
        TaskSettings bare = new TaskSettings(null, 0, 1, 1, Integer.MAX_VALUE, false, TaskSettings.Newlines.KEEP);
        PromptBuilder builder = new PromptBuilder(BYTES, 99, WHOLE, bare, List.of());
        assertThat(texts(builder.build(example("", "ab", "cd")).orElseThrow()))
                .as("the very first token is not scored")
                .containsExactly("a[b]", "c[d]");
        assertThatThrownBy(() -> builder.build(example("", "a", "b")).orElseThrow())
                .isInstanceOf(EvalException.class)
                .hasMessageContaining("a single token");
    }

    @Test
    void newlinesMayEndTexts() {
        TaskSettings settings =
                new TaskSettings(null, 0, 1, 1, Integer.MAX_VALUE, true, TaskSettings.Newlines.END_OF_TEXT);
        PromptBuilder builder = new PromptBuilder(BYTES, 99, WHOLE, settings, List.of());
        assertThat(texts(builder.build(example("a\n\nb", "\nc", " d")).orElseThrow()))
                .containsExactly("|a||b[|c]", "|a||b[ d]");
    }

    @Test
    void anEmptyContinuationIsRefused() {
        assertThatThrownBy(() -> builder(9, WHOLE).build(example("Q", "")).orElseThrow())
                .isInstanceOf(EvalException.class)
                .hasMessage("file:1: the scored part of a candidate is empty");
    }

    /** As docs/tasks.md promises: if the continuation begins with a space, both ways of encoding agree. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gpt2:2048"})
    void aSpaceBelongsToTheContinuation(String name) {
        Tokenizer tokenizer = Tokenizer.of(name);
        for (String prompt : List.of("The cat sat on the", "Q: 12 + 30?", "a \"b\"", "naïve")) {
            for (String continuation : List.of(" mat", " 42", " \"c\"", " the big house.")) {
                assertThat(PromptBuilder.join(tokenizer.encode(prompt), tokenizer.encode(continuation)))
                        .isEqualTo(tokenizer.encode(prompt + continuation));
            }
        }
    }
}
