package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.model.LanguageModel;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class GeneratorTest {
    private static final Tokenizer BYTES = Tokenizer.of("bytes");
    private static final Sampling GREEDY = new Sampling(0, 0, 1);
    private static LanguageModel model;

    @BeforeAll
    static void makeModel() {
        model = model();
    }

    private static LanguageModel model() {
        Architecture architecture = new Architecture(
                new ModelConfig(2, 32, 4, 64, 264, 12, Activation.GELU, 0.1, 0, -1, 4, 2, 32, 0),
                RoutingConfig.DEFAULT,
                BalanceConfig.DEFAULT);
        return LanguageModel.initialize(architecture, Precision.FP32, Device.CPU, new RandomKey(5));
    }

    @AfterAll
    static void closeModel() {
        model.close();
    }

    private static GenerationResult generate(Sampling sampling, long seed, String prompt, int tokens) {
        return new Generator(model, BYTES, sampling, seed).generate(prompt, tokens, _ -> {});
    }

    @Test
    void theSeedDecides() {
        GenerationResult text = generate(Sampling.DEFAULT, 1, "Once", 40);
        assertThat(text).isEqualTo(generate(Sampling.DEFAULT, 1, "Once", 40));
        assertThat(text.text())
                .isNotEqualTo(generate(Sampling.DEFAULT, 2, "Once", 40).text());
        assertThat(text.promptTokens()).isEqualTo(4);
        assertThat(generate(GREEDY, 1, "Once", 40)).isEqualTo(generate(GREEDY, 2, "Once", 40));
    }

    /** Generates 40 tokens after a prompt of 30 in a context of 12. */
    @Test
    void theWindowSlides() {
        String prompt = "abcdefghijklmnopqrstuvwxyz0123";
        GenerationResult text = generate(GREEDY, 1, prompt, 40);

        assertThat(text.promptTokens()).isEqualTo(30);
        assertThat(text.tokens() == 40 || text.finish() == FinishReason.END_OF_TEXT)
                .isTrue();
        assertThat(generate(GREEDY, 1, "X" + prompt.substring(1), 40).text())
                .as("tokens outside of the window do not matter")
                .isEqualTo(text.text());
    }

    @Test
    void anEmptyPromptBeginsAText() {
        assertThat(generate(Sampling.DEFAULT, 1, "", 5).promptTokens()).isZero();
    }

    @Test
    void piecesAreTheText() {
        List<String> pieces = new ArrayList<>();
        GenerationResult text = new Generator(model, BYTES, Sampling.DEFAULT, 3).generate("a", 30, pieces::add);

        assertThat(String.join("", pieces)).isEqualTo(text.text());
        assertThat(pieces).hasSizeGreaterThan(5).doesNotContain("");
    }

    /** Rows 257 to 263 pad the vocabulary. They have the largest logits here, followed by the end of text. */
    @Test
    void stopsAtTheEndOfTextAndNeverMakesPadding() {
        try (LanguageModel ends = model()) {
            try (Scope _ = Scope.open()) {
                // The final norm returns 1 everywhere, so the logits are the sums of the embedding's rows.
                ends.parameters().get("model.layer_norm.weight").master().zero();
                ends.parameters().get("model.layer_norm.bias").master().fill(1);
                Tensor table =
                        ends.parameters().get("model.embed_tokens.weight").master();
                table.zero();
                table.narrow(0, 256, 1).fill(1);
                table.narrow(0, 257, 7).fill(2);
            }
            ends.parameters().refresh();
            GenerationResult text = new Generator(ends, BYTES, GREEDY, 1).generate("abc", 10, _ -> {});

            assertThat(BYTES.endOfText()).isEqualTo(256);
            assertThat(text).isEqualTo(new GenerationResult("", 3, 0, FinishReason.END_OF_TEXT));
        }
    }

    @Test
    void leavesNoTensorBehind() {
        generate(GREEDY, 1, "a", 2);
        long before = Scope.liveTensors();
        generate(GREEDY, 1, "a", 20);
        assertThat(Scope.liveTensors()).isEqualTo(before);
    }

    @Test
    void refusesWhatDoesNotFit() {
        assertThatThrownBy(() -> new Generator(model, Tokenizer.of("gpt2:512"), GREEDY, 1))
                .isInstanceOf(ServeException.class)
                .hasMessageContaining("the tokenizer gpt2:512 has 512 tokens, but the model has 264");
        assertThatThrownBy(() -> generate(GREEDY, 1, "a", 0)).isInstanceOf(ServeException.class);
    }
}
