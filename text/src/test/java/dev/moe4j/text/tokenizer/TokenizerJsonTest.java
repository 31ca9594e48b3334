package dev.moe4j.text.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.base.json.Json;
import dev.moe4j.text.Generator;
import dev.moe4j.text.GptHardTextTest;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;

final class TokenizerJsonTest {

    private static final int AWKWARD = 200;

    @TempDir
    private Path folder;

    @Test
    void aTokenizerIsReadBackFromItsFile() throws IOException {
        String text = "It's 2026: caf\u00e9s, \ud83d\ude80 and   spaces\n\n\tdon't 12345";
        for (String spec : new String[] {"gpt2:257", "gpt2:1000", "gpt2"}) {
            Tokenizer tokenizer = Tokenizer.of(spec);
            byte[] json = TokenizerJson.of(tokenizer);
            assertThat(json).isEqualTo(TokenizerFiles.gpt2(tokenizer));
            Tokenizer read = Tokenizer.of(TokenizerFiles.write(folder, json).toString());
            assertThat(read.encode(text)).isEqualTo(tokenizer.encode(text));
            assertThat(read.endOfText()).isEqualTo(tokenizer.endOfText());
        }
    }

    /** White space, contractions, code, marks, emoji, text that looks special, and random text. */
    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gpt2:2048", "gpt2:257", "bytes"})
    void theLibraryEncodesAwkwardTextsAlike(String spec) throws IOException {
        Tokenizer tokenizer = Tokenizer.of(spec);
        NativeTokenizer library = TokenizerFiles.byLibrary(TokenizerFiles.write(folder, TokenizerJson.of(tokenizer)));
        Generator random = new Generator("theLibraryEncodesAwkwardTextsAlike");
        Stream<String> hard = GptHardTextTest.texts().map(row -> (String) row.get()[1]);
        Stream<String> special = Stream.of("<|endoftext|>", " <|endoftext|>\n<|endoftext|>x", "");
        Stream<String> texts = Stream.of(hard, special, Stream.generate(() -> random.text(300)))
                .flatMap(part -> part)
                .limit(AWKWARD);

        assertThat(texts).allSatisfy(text -> assertThat(library.encode(text)).isEqualTo(tokenizer.encode(text)));
        assertThat(library.vocabularySize()).isEqualTo(tokenizer.vocabularySize());
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            assertThat(library.bytes(id)).isEqualTo(tokenizer.bytes(id));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2:300", "bytes"})
    void theConfigurationNamesTheEndOfText(String spec) {
        Map<String, byte[]> files = TokenizerJson.files(Tokenizer.of(spec), 128);

        assertThat(files).containsOnlyKeys("tokenizer.json", "tokenizer_config.json");
        JsonNode config = Json.MAPPER.readTree(Objects.requireNonNull(files.get("tokenizer_config.json")));
        assertThat(config)
                .isEqualTo(Json.MAPPER
                        .createObjectNode()
                        .put("tokenizer_class", "PreTrainedTokenizerFast")
                        .put("eos_token", "<|endoftext|>")
                        .put("model_max_length", 128)
                        .put("clean_up_tokenization_spaces", false));
    }

    /** Our own code encodes by the first file, the library by the second, which has a plain added token. */
    @Test
    void aFileStaysAsItIs() throws IOException {
        String json = new String(TokenizerJson.of(Tokenizer.of("gpt2:300")), StandardCharsets.UTF_8);
        String added = "\"added_tokens\" : [ {\"id\" : 300, \"content\" : \"x y\", \"single_word\" : false, \"lstrip\""
                + " : false, \"rstrip\" : false, \"normalized\" : false, \"special\" : false}, ";
        String plain = json.replaceFirst("\"added_tokens\" ?: ?\\[", Matcher.quoteReplacement(added));
        for (String content : new String[] {json + "\n", plain}) {
            Path file = Files.writeString(folder.resolve(Tokenizer.FILE), content);
            Tokenizer tokenizer = Tokenizer.of(file.toString());
            Map<String, byte[]> files = TokenizerJson.files(tokenizer, 64);

            assertThat(tokenizer).isInstanceOf(content.equals(plain) ? NativeTokenizer.class : GptTokenizer.class);
            assertThat(files.get(Tokenizer.FILE)).isEqualTo(Files.readAllBytes(file));
        }
    }
}
