package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.base.file.FileTree;
import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.prepare.ShardMerge;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.GptTokenizer;
import dev.moe4j.text.tokenizer.NativeTokenizer;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.training.BpeTrainer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

final class TokenizerFileTest {
    /** Like Llama's tokenizer: BPE on characters, U+2581 for spaces, and byte fallback. */
    private static final String CHARACTERS = """
            {"added_tokens": [
               {"id": 1, "content": "<s>", "special": true, "normalized": false},
               {"id": 2, "content": "</s>", "special": true, "normalized": false}],
             "normalizer": {"type": "Sequence", "normalizers": [
               {"type": "Prepend", "prepend": "\u2581"},
               {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}]},
             "pre_tokenizer": null, "post_processor": null,
             "decoder": {"type": "Sequence", "decoders": [{"type": "ByteFallback"}]},
             "model": {"type": "BPE", "unk_token": "<unk>", "byte_fallback": true, "fuse_unk": true,
               "vocab": {"<unk>": 0, "<s>": 1, "</s>": 2, "\u2581": 3, "a": 4, "b": 5, "ab": 6, "\u2581ab": 7,
                  "<0xC3>": 8, "<0xA9>": 9, "<": 10, "/": 11, "s": 12, ">": 13, "<0x0A>": 14},
               "merges": ["a b", "\u2581 ab"]}}""";

    /** Pieces with log-probabilities, the end of text among them. */
    private static final String LIKELY = """
            {"added_tokens": [{"id": 1, "content": "</s>", "special": true, "normalized": false}],
             "normalizer": null, "pre_tokenizer": {"type": "Metaspace", "replacement": "\u2581",
               "prepend_scheme": "always", "split": true},
             "decoder": {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": true},
             "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
               "vocab": [["<unk>", 0.0], ["</s>", 0.0], ["\u2581", -2.0], ["a", -3.0], ["\u2581a", -2.5],
                  ["<", -4.0], ["/", -4.0], ["s", -4.0], [">", -4.0]]}}""";

    private static final String WORDS = """
            {"added_tokens": [{"id": 0, "content": "[UNK]", "special": true},
                {"id": 1, "content": "[EOS]", "special": true}],
             "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": null, "lowercase": true},
             "pre_tokenizer": {"type": "BertPreTokenizer"}, "decoder": {"type": "WordPiece", "prefix": "##",
                "cleanup": true},
             "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "[EOS]": 1, "hell": 2, "##o": 3, "world": 7}}}""";

    @TempDir
    private Path folder;

    private Path file(String json) throws IOException {
        return Files.writeString(folder.resolve("tokenizer.json"), json);
    }

    @Test
    void charactersWithBytesAsAFallback() throws IOException {
        Tokenizer tokenizer = Tokenizer.of(file(CHARACTERS).toString());
        assertThat(tokenizer).isInstanceOf(NativeTokenizer.class);
        assertThat(tokenizer.vocabularySize()).isEqualTo(15);
        assertThat(tokenizer.endOfText()).isEqualTo(2);
        int[] ids = tokenizer.encode("ab ab é\n");
        assertThat(ids).containsExactly(7, 7, 3, 8, 9, 14);
        assertThat(tokenizer.decode(ids)).isEqualTo(" ab ab é\n");
        assertThat(tokenizer.decode(1, 7, 2)).isEqualTo(" ab");
    }

    @Test
    void noTextEncodesToTheEndOfText() throws IOException {
        for (String json : List.of(CHARACTERS, LIKELY)) {
            Tokenizer tokenizer = Tokenizer.of(file(json).toString());
            int[] ids = tokenizer.encode("a</s>a");
            assertThat(ids).doesNotContain(tokenizer.endOfText()).hasSizeGreaterThan(5);
            assertThat(tokenizer.decode(ids)).endsWith("a</s>a");
        }
    }

    /** Behind special ones, which the library must not look for, and would number them anew without. */
    @Test
    void plainAddedTokensKeepTheirIds() throws IOException {
        String added = """
                {"id": 15, "content": "<pad>", "special": true, "normalized": false},
                {"id": 16, "content": "<call>", "special": false, "normalized": false, "single_word": false,
                   "lstrip": false, "rstrip": false}],
                "normalizer\"""";
        Tokenizer tokenizer = Tokenizer.of(file(CHARACTERS.replaceFirst("]\\s*,\\s*\"normalizer\"", "," + added))
                .toString());
        assertThat(tokenizer.vocabularySize()).isEqualTo(17);
        assertThat(tokenizer.encode("ab<call>")).containsExactly(7, 16);
        assertThat(tokenizer.decode(16)).isEqualTo("<call>");
    }

    /** Also where ids are places in a list, and some of them unused. */
    @Test
    void plainAddedTokensOfPiecesKeepTheirIds() throws IOException {
        String added = """
                {"id": 9, "content": "<pad>", "special": true, "normalized": false},
                {"id": 11, "content": "<call>", "special": false, "normalized": false, "single_word": false,
                   "lstrip": false, "rstrip": false}],
                "normalizer\"""";
        Tokenizer tokenizer = Tokenizer.of(file(LIKELY.replaceFirst("]\\s*,\\s*\"normalizer\"", "," + added))
                .toString());
        assertThat(tokenizer.vocabularySize()).isEqualTo(12);
        assertThat(tokenizer.encode("a<call>")).containsExactly(4, 11);
        assertThat(tokenizer.encode("aé<pad>")).doesNotContain(9, 10, 11).startsWith(4, 0);
        assertThat(tokenizer.decode(11)).isEqualTo("<call>");
    }

    /** The library joins unknown characters. It must not find the joined text as the end-of-text token. */
    @Test
    void unknownCharactersAreNotTheEndOfText() throws IOException {
        String none = LIKELY.replaceFirst("(?s),\\s*\\[\"<\".*\\[\">\", -4.0\\]", "");
        Tokenizer tokenizer = Tokenizer.of(file(none).toString());
        assertThat(tokenizer.vocabularySize()).isEqualTo(5);
        assertThat(tokenizer.encode("a</s>a")).containsExactly(4, 0, 3);
        assertThat(tokenizer.encode("</s>")).containsExactly(2, 0);
    }

    @Test
    void wordPiecesWithGapsInTheirIds() throws IOException {
        Tokenizer tokenizer =
                Tokenizer.of(folder.resolve(file(WORDS).getFileName()).toString());
        assertThat(tokenizer.vocabularySize()).isEqualTo(8);
        assertThat(tokenizer.encode("Hello WORLD")).containsExactly(2, 3, 7);
        assertThat(tokenizer.decode(2, 3, 7)).isEqualTo(" hello world");
        assertThat(tokenizer.bytes(5)).isEmpty();
    }

    @Test
    void aFolderIsItsFile() throws IOException {
        Path file = file(CHARACTERS);
        assertThat(Tokenizer.of(folder + "/").hash())
                .isEqualTo(Tokenizer.of(file.toString()).hash())
                .isEqualTo(Sha256.of(file));
    }

    @Test
    void aFolderNeedsNoSlash() throws IOException {
        Path here = Files.createTempDirectory(Path.of(""), "tokenizer");
        try {
            Files.writeString(here.resolve(Tokenizer.FILE), CHARACTERS);
            assertThat(Tokenizer.of(here.getFileName().toString()).spec()).isEqualTo(Tokenizer.FILE);
        } finally {
            FileTree.delete(here);
        }
    }

    @Test
    void aNameIsNoFolder() throws IOException {
        Path here = Files.createDirectory(Path.of("bytes"));
        try {
            Files.writeString(here.resolve(Tokenizer.FILE), CHARACTERS);
            assertThat(Tokenizer.of("bytes").spec()).isEqualTo("bytes");
            assertThat(Tokenizer.of("./bytes").spec()).isEqualTo(Tokenizer.FILE);
        } finally {
            FileTree.delete(here);
        }
    }

    @Test
    void longTextIsEncodedInSegmentsThatBeginWithALine() throws IOException {
        Tokenizer tokenizer = Tokenizer.of(file(CHARACTERS).toString());
        String text = ("ab ".repeat(30_000) + "\n").repeat(3);
        int first = tokenizer.segmentEnd(text, 0);
        assertThat(first).isBetween(NativeTokenizer.SEGMENT, 2 * NativeTokenizer.SEGMENT);
        assertThat(text.charAt(first - 1)).isEqualTo('\n');
        assertThat(tokenizer.segmentEnd(text, first)).isEqualTo(text.length());
        String emoji = "\ud83d\ude00".repeat(NativeTokenizer.SEGMENT + 1);
        int cut = tokenizer.segmentEnd("a" + emoji, 0);
        assertThat(Character.isLowSurrogate(emoji.charAt(cut - 2))).isTrue();
        assertThat(tokenizer.encode("a\ud83d")).isEqualTo(tokenizer.encode("a\ufffd"));
    }

    /** What data and checkpoints keep: the file beside them. */
    @Test
    void preparedDataHasItsTokenizerWithIt() throws IOException {
        Path file = file(CHARACTERS);
        Path text = Files.writeString(folder.resolve("a.txt"), "ab ab\nab");
        Tokenizer tokenizer = Tokenizer.of(file.toString());
        Path out = folder.resolve("data");
        Preparation preparation = new Preparation(tokenizer, TextInput.of(List.of(text)), out);
        Manifest manifest = preparation.run().manifest();
        assertThat(manifest.tokenizer().spec()).isEqualTo("tokenizer.json");
        assertThat(manifest.tokenizer().hash()).isEqualTo(Sha256.of(file));
        assertThat(out.resolve("tokenizer.json")).hasSameBinaryContentAs(file);
        Files.delete(file);
        try (Shards shards = Shards.open(out)) {
            assertThat(shards.train().document(0)).endsWith(tokenizer.endOfText());
            assertThat(shards.tokenizer().encode("ab")).isEqualTo(tokenizer.encode("ab"));
        }
        Path merged = folder.resolve("merged");
        ShardMerge.merge(List.of(out), merged, false);
        assertThat(merged.resolve("tokenizer.json")).hasSameBinaryContentAs(out.resolve("tokenizer.json"));
        Files.writeString(out.resolve("tokenizer.json"), CHARACTERS + " ");
        assertThatThrownBy(() -> Shards.open(out))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("another definition of the tokenizer tokenizer.json");
        Path none = folder.resolve("none");
        for (ThrowingCallable check : List.<ThrowingCallable>of(
                () -> manifest.verify(out), () -> ShardMerge.merge(List.of(out), none, false))) {
            assertThatThrownBy(check)
                    .isInstanceOf(DataException.class)
                    .hasMessageContaining(out.resolve("tokenizer.json") + " does not have its checksum");
        }
        assertThat(none).doesNotExist();
        Files.delete(out.resolve("tokenizer.json"));
        assertThatThrownBy(() -> Shards.open(out))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("cannot read the tokenizer " + out.resolve("tokenizer.json"));
    }

    @ParameterizedTest
    @CsvSource(
            quoteCharacter = '`',
            value = {
                "`{\"model\": `, is not valid JSON",
                "`{}`, has no model with a vocabulary",
                "`{\"model\": {\"vocab\": {\"a\": 0}}}`, has no token that ends a document",
                "`{\"model\": {\"type\": \"Odd\", \"vocab\": {\"a\": 0}}, \"added_tokens\": [{\"id\": 1, \"content\":"
                        + " \"</s>\", \"special\": true}]}`, is not a tokenizer that the library accepts",
                "`{\"model\": {\"vocab\": {\"a\": 999999999}}, \"added_tokens\": [{\"id\": 1, \"content\":"
                        + " \"</s>\", \"special\": true}]}`, has the invalid id 999999999",
            })
    void badFilesSayWhatIsWrong(String json, String message) throws IOException {
        Path file = file(json);
        assertThatThrownBy(() -> Tokenizer.of(file.toString()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining(message)
                .hasMessageNotContaining("\n");
    }

    @Test
    void aMissingFileIsNamed() {
        String path = folder.resolve("none.json").toString();
        assertThatThrownBy(() -> Tokenizer.of(path))
                .isInstanceOf(DataException.class)
                .hasMessage(
                        "cannot read the tokenizer " + path + ": it does not exist; give the path of a tokenizer.json");
    }

    /** The native library encodes if jtokkit would give other ids. */
    @Test
    void listsThatRanksCannotExpressGoToTheLibrary() throws IOException {
        Path text = Files.writeString(folder.resolve("a.txt"), "abcabcabc bcbc abab".repeat(20));
        byte[] json = new BpeTrainer(262, TextInput.of(List.of(text))).run().json();
        String plain = new String(json, StandardCharsets.UTF_8);
        assertThat(Tokenizer.of(file(plain).toString())).isInstanceOf(GptTokenizer.class);
        for (String change : List.of("\"use_regex\" : false", "\"add_prefix_space\" : true")) {
            String other = plain.replaceFirst(change.replaceAll("true|false", "(true|false)"), change);
            assertThat(other).isNotEqualTo(plain);
            assertThat(Tokenizer.of(file(other).toString())).isInstanceOf(NativeTokenizer.class);
        }
    }

    /** Tests {@link GptTokenizer} and {@link NativeTokenizer}. */
    @ParameterizedTest
    @CsvSource({"bpe-dropout-tokenizer.json, 0.5", "metaspace-tokenizer.json, null"})
    void dropoutIsNotApplied(String name, String dropout) throws IOException {
        String json;
        try (InputStream in = TokenizerFileTest.class.getResourceAsStream("cases/" + name)) {
            json = new String(Objects.requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
        }
        assertThat(json).contains("\"dropout\": " + dropout);
        Path without = Files.writeString(
                folder.resolve("without.json"), json.replace("\"dropout\": " + dropout, "\"dropout\": null"));
        Path with = Files.writeString(
                folder.resolve("with.json"), json.replace("\"dropout\": " + dropout, "\"dropout\": 0.5"));
        String text = "the cat sat on the mat and looked at the moon\n".repeat(20);
        int[] expected = Tokenizer.of(without.toString()).encode(text);
        Tokenizer tokenizer = Tokenizer.of(with.toString());
        for (int i = 0; i < 5; i++) {
            assertThat(tokenizer.encode(text)).isEqualTo(expected);
        }
        assertThat(tokenizer.remark())
                .hasValueSatisfying(
                        remark -> assertThat(remark).startsWith("the tokenizer's dropout of 0.5 is not applied"));
        assertThat(Tokenizer.of(without.toString()).remark()).isEmpty();
    }
}
