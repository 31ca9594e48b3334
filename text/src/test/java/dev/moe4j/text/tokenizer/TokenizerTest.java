package dev.moe4j.text.tokenizer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingType;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.Generator;
import java.nio.charset.StandardCharsets;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class TokenizerTest {
    private static final Encoding PLAIN = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);

    @Test
    void gpt2HasItsPublishedIds() {
        Tokenizer gpt2 = Tokenizer.of("gpt2");
        assertThat(gpt2.vocabularySize()).isEqualTo(50_257);
        assertThat(gpt2.endOfText()).isEqualTo(50_256);
        assertThat(gpt2.encode("Hello world")).containsExactly(15496, 995);
        assertThat(gpt2.encode("Hello, world!")).containsExactly(15496, 11, 995, 0);
        assertThat(gpt2.encode("How are you doing?")).containsExactly(2437, 389, 345, 1804, 30);
        assertThat(gpt2.encode("Hello, I'm a language model,"))
                .containsExactly(15496, 11, 314, 1101, 257, 3303, 2746, 11);
        assertThat(gpt2.encode("You should've done this")).containsExactly(1639, 815, 1053, 1760, 428);
        assertThat(gpt2.encode("0123456789 0 10 100 1000"))
                .containsExactly(486, 1954, 2231, 3134, 4531, 657, 838, 1802, 8576);
        assertThat(gpt2.encode("你好")).containsExactly(19526, 254, 25001, 121);
        assertThat(gpt2.encode("\n\n")).containsExactly(628);
        assertThat(gpt2.encode("a   b")).containsExactly(64, 220, 220, 275);
        assertThat(gpt2.encode("")).isEmpty();
    }

    @Test
    void textThatLooksSpecialIsText() {
        Tokenizer gpt2 = Tokenizer.of("gpt2");
        int[] ids = gpt2.encode("<|endoftext|>");
        assertThat(ids).hasSizeGreaterThan(1).doesNotContain(50_256);
        assertThat(gpt2.decode(ids)).isEqualTo("<|endoftext|>");
        assertThat(gpt2.decode(15496, 50_256, 995)).isEqualTo("Hello world");
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gpt2:257", "gpt2:2048", "gpt2:8192", "gpt2:50256", "bytes"})
    void everyTextComesBack(String spec) {
        Tokenizer tokenizer = Tokenizer.of(spec);
        Generator random = new Generator("everyTextComesBack " + spec);
        for (int i = 0; i < 300; i++) {
            String text = random.text(i < 290 ? 300 : 200_000);
            int[] ids = tokenizer.encode(text);
            assertThat(IntStream.of(ids)).allMatch(id -> id >= 0 && id < tokenizer.endOfText());
            assertThat(tokenizer.decodeBytes(ids)).isEqualTo(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gpt2:300", "bytes"})
    void loneSurrogatesAreReplaced(String spec) {
        Tokenizer tokenizer = Tokenizer.of(spec);
        for (String bad : new String[] {"\ud83d", "\ude00", "a\ude00\ud83db", "\ud83d\ud83d\ude00"}) {
            String text = tokenizer.decode(tokenizer.encode(bad));
            assertThat(text).hasSameSizeAs(bad).contains("\ufffd");
            assertThat(text.replace('\ufffd', '?')).isEqualTo(bad.replaceAll("\\p{Cs}", "?"));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"gpt2", "gpt2:2048", "gpt2:50256", "bytes"})
    void everyIdIsItsBytes(String spec) {
        Tokenizer tokenizer = Tokenizer.of(spec);
        boolean[] single = new boolean[256];
        for (int id = 0; id < tokenizer.vocabularySize(); id++) {
            byte[] bytes = tokenizer.bytes(id);
            assertThat(bytes.length == 0).isEqualTo(id == tokenizer.endOfText());
            if (bytes.length == 1) {
                single[bytes[0] & 0xff] = true;
                assertThat(id).isLessThan(256);
            }
        }
        assertThat(single).doesNotContain(false);
        assertThatThrownBy(() -> tokenizer.decode(-1)).isInstanceOf(DataException.class);
        assertThatThrownBy(() -> tokenizer.decode(tokenizer.vocabularySize()))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("no token has the id " + tokenizer.vocabularySize());
    }

    @Test
    void lowestRanksMakeASmallerGpt2() {
        Tokenizer gpt2 = Tokenizer.of("gpt2");
        Tokenizer small = Tokenizer.of("gpt2:2048");
        assertThat(small.vocabularySize()).isEqualTo(2048);
        assertThat(small.endOfText()).isEqualTo(2047);
        for (int id = 0; id < 2047; id++) {
            assertThat(small.bytes(id)).isEqualTo(gpt2.bytes(id));
        }
        assertThat(small.encode(" the of and")).isEqualTo(gpt2.encode(" the of and"));
        assertThat(Tokenizer.of("gpt2:50257").spec()).isEqualTo("gpt2");
    }

    @Test
    void ourPiecesAreTheLibrarys() {
        // With all ranks but one the table is ours and so is the pattern; the missing token is rare.
        Tokenizer own = Tokenizer.of("gpt2:50256");
        Generator random = new Generator("ourPiecesAreTheLibrarys");
        for (int i = 0; i < 3000; i++) {
            String text = random.text(200);
            int[] expected = PLAIN.encodeOrdinary(text).toArray();
            assertThat(expected).doesNotContain(50_255);
            assertThat(own.encode(text)).isEqualTo(expected);
        }
    }

    @Test
    void segmentsHaveTheIdsOfTheWhole() {
        Generator random = new Generator("segmentsHaveTheIdsOfTheWhole");
        int cuts = 0;
        for (int i = 0; i < 5000; i++) {
            String text = random.text(400);
            IntList ids = new IntList(16);
            int from = 0;
            while (from < text.length()) {
                int end = GptTokenizer.segmentEnd(text, from, 1 + random.below(30), 400);
                assertThat(end).isGreaterThan(from);
                PLAIN.encodeOrdinary(text.substring(from, end)).boxed().forEach(ids::accept);
                from = end;
                cuts++;
            }
            assertThat(ids.toArray()).isEqualTo(PLAIN.encodeOrdinary(text).toArray());
        }
        assertThat(cuts).isGreaterThan(20_000);
    }

    @Test
    void longTextHasTheIdsOfThePlainEncoding() {
        Tokenizer gpt2 = Tokenizer.of("gpt2");
        Generator random = new Generator("longTextHasTheIdsOfThePlainEncoding");
        StringBuilder text = new StringBuilder();
        while (text.length() < 500_000) {
            text.append(random.text(5000));
        }
        int end = Character.isHighSurrogate(text.charAt(999)) ? 999 : 1000; // half a pair has ids of its own in each
        text.append("x".repeat(GptTokenizer.LONGEST_PIECE - 1)).append(' ').append(text, 0, end);
        String whole = text.toString();
        assertThat(gpt2.segmentEnd(whole, 0)).isLessThan(whole.length());
        assertThat(gpt2.encode(whole)).isEqualTo(PLAIN.encodeOrdinary(whole).toArray());
    }

    /** The time is linear because the length of a segment is bounded for any text. */
    @ParameterizedTest
    @ValueSource(strings = {"a", " ", "\n", "7", "!", "'", "漢", "\ud83d\ude00", "ab", "\u00a0"})
    void aMegabyteOfOneCharacterStaysLinear(String unit) {
        String text = unit.repeat((1 << 20) / unit.length());
        for (String spec : new String[] {"gpt2", "gpt2:2048", "bytes"}) {
            Tokenizer tokenizer = Tokenizer.of(spec);
            int longest = 0;
            int segments = 0;
            for (int from = 0; from < text.length(); segments++) {
                int end = tokenizer.segmentEnd(text, from);
                longest = Math.max(longest, end - from);
                from = end;
            }
            int most = GptTokenizer.SEGMENT + 3 * GptTokenizer.LONGEST_PIECE;
            assertThat(longest).isLessThanOrEqualTo(most);
            assertThat(segments).isLessThanOrEqualTo(text.length() / GptTokenizer.SEGMENT + 1);
            assertThat(tokenizer.decode(tokenizer.encode(text))).isEqualTo(text);
        }
    }

    @Test
    void hashesTellDefinitionsApart() {
        assertThat(Tokenizer.of("gpt2").hash())
                .matches("[0-9a-f]{64}")
                .isEqualTo(Tokenizer.of("gpt2").hash());
        assertThat(Tokenizer.of("gpt2").hash())
                .isNotEqualTo(Tokenizer.of("gpt2:50256").hash());
        assertThat(Tokenizer.of("gpt2:2048").hash())
                .isNotEqualTo(Tokenizer.of("gpt2:2049").hash());
        assertThat(Tokenizer.of("bytes").hash())
                .isNotEqualTo(Tokenizer.of("gpt2:257").hash());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "gpt3",
                "GPT2",
                "gpt2:",
                "gpt2:0",
                "gpt2:256",
                "gpt2:50258",
                "gpt2:-5",
                "gpt2:1e3",
                "gpt2:99999999999"
            })
    void unknownNamesSayWhatThereIs(String spec) {
        assertThatThrownBy(() -> Tokenizer.of(spec))
                .isInstanceOf(DataException.class)
                .hasMessageContaining("gpt2:N (N from 257 to 50257")
                .hasMessageContaining("bytes");
    }
}
