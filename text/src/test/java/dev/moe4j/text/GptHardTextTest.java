package dev.moe4j.text;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.text.tokenizer.GptTokenizer;
import dev.moe4j.text.tokenizer.NativeTokenizer;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.text.tokenizer.TokenizerFiles;
import dev.moe4j.text.tokenizer.Tokenizers;
import dev.moe4j.text.training.Pieces;
import java.io.IOException;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** GPT-2's ids of text that is hard to get right. The expected ones were made by Hugging Face's library. */
public final class GptHardTextTest {
    @TempDir
    private Path folder;

    public static Stream<Arguments> texts() {
        return Stream.of(
                ids(
                        "spaces that are not ASCII",
                        "Hello\u00a0world\u2003x\u3000y\u0085z\u200bw\ufeff",
                        "15496 1849 6894 447 225 87 5099 222 88 126 227 89 9525 86 171 119 123"),
                ids(
                        "title case, modifiers, numbers of all kinds, separators",
                        "\u01c5 \u02b0 \u2160 \u00bd \u0663\u0664 \u0e51 \u1369 \u3007 \u2028\u2029",
                        "131 227 220 134 108 2343 227 254 25208 18923 96 149 97 220 31479 239 28053 235 102"
                                + " 220 5099 229 564 101 447 102"),
                ids(
                        "marks, which are no letters",
                        "na\u00efve cafe\u0301 \u0939\u093f\u0928\u094d\u0926\u0940 \u0e20\u0e32\u0e29\u0e32\u0e44\u0e17"
                                + "\u0e22",
                        "2616 38776 26725 136 223 28225 117 11976 123 11976 101 24231 235 11976 99 24231 222"
                                + " 220 19567 254 19567 110 19567 102 19567 110 31479 226 19567 245 19567 95"),
                ids(
                        "emoji: joined, flags, skin",
                        "\ud83d\ude00\ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67\u200d\ud83d\udc66 \ud83c\udff3"
                                + "\ufe0f\u200d\ud83c\udf08 \ud83c\udde9\ud83c\uddea \ud83d\udc4d\ud83c\udffd",
                        "47249 222 41840 101 447 235 41840 102 447 235 41840 100 447 235 41840 99 12520 237"
                                + " 111 37929 447 235 8582 234 230 12520 229 102 8582 229 103 50169 235 8582 237 121"),
                ids(
                        "runs of white space",
                        "a  b   c    d \n \n\n  e\t\tf \r\n g   ",
                        "64 220 275 220 220 269 220 220 220 288 220 198 220 628 220 304 197 197 69 220 201 198"
                                + " 308 220 220 220"),
                ids(
                        "contractions and what only looks like them",
                        "I'm you're they've we'll he'd it's don't I'M IT'S 'tis ''s x's's 'l 'v 'r o'er",
                        "40 1101 345 821 484 1053 356 1183 339 1549 340 338 836 470 314 6 44 7283 6 50 705"
                                + " 48010 10148 82 2124 338 338 705 75 705 85 705 81 267 6 263"),
                ids(
                        "long runs of digits",
                        "12345678901234567890 3.14159265358979 1,000,000 0x1F600 7\u00b2 \u0967\u0968\u0969",
                        "10163 2231 3134 4531 486 1954 2231 30924 3829 513 13 1415 19707 22980 2327 4531 3720"
                                + " 352 11 830 11 830 657 87 16 37 8054 767 31185 220 24231 100 24231 101 24231 102"),
                ids("lone surrogates, read as U+FFFD", "\ud83d x \ude00\ud83d y", "4210 2124 220 6353 331"),
                ids(
                        "control characters and noncharacters",
                        "\u0000\u0001\u001c\u001f\u007f\u0080\ufffd\ufffe",
                        "188 189 216 219 221 126 222 4210 171 123 122"),
                ids(
                        "Chinese, Japanese, Korean, Hebrew, Arabic",
                        "\u4f60\u597d\uff0c\u4e16\u754c\uff01\u3053\u3093\u306b\u3061\u306f\uc548\ub155\ud558\uc138\uc694"
                                + " \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
                        "19526 254 25001 121 171 120 234 10310 244 45911 234 171 120 223 46036 22174 28618"
                                + " 2515 94 31676 168 243 230 167 227 243 47991 246 168 226 116 168 248 242 14360 102"
                                + " 40010 27072 147 251 47048 26897 148 255 39848 12919"),
                ids(
                        "punctuation and text that looks special",
                        "!!!???...---===___###$$$ ,.;: \"'`~^ <|endoftext|> </s> \\n\\t",
                        "10185 28358 986 6329 18604 17569 21017 13702 3 837 15089 25 24018 63 93 61 1279 91"
                                + " 437 1659 5239 91 29 7359 82 29 3467 77 59 83"),
                ids(
                        "source code",
                        "def f(x):\n    return x**2  # \u2200x\u2208\u211d\n\n\n\tif x!=1:\n\t\tpass\n",
                        "4299 277 7 87 2599 198 220 220 220 1441 2124 1174 17 220 1303 18872 222 87 24861 230"
                                + " 158 226 251 628 198 197 361 2124 0 28 16 25 198 197 197 6603 198"),
                ids(
                        "letters and symbols beyond the first plane",
                        "\ud835\udd38\ud835\udd39 \ud800\udf30 \ud834\udd1e \u0301\u0302 \u20ac\u00a3\u00a5 \u00ab\u00bb",
                        "47728 242 116 47728 242 117 220 172 238 234 108 220 47728 226 252 220 136 223 136 224"
                                + " 10432 14988 126 98 21110 17730"),
                ids(
                        "long words",
                        "SupercalifragilisticexpialidociousDonaudampfschifffahrtsgesellschaft " + "a".repeat(40),
                        "12442 9948 361 22562 346 396 501 42372 498 312 32346 3987 3885 696 9501 354 361 487"
                                + " 993 81 912 3212 19187 11693 701 257 24794 24794 24794 24794 24794 24794 24794 24794"
                                + " 24794 46071"));
    }

    private static Arguments ids(String what, String text, String ids) {
        return Arguments.of(
                what,
                text,
                Stream.of(ids.split(" ")).mapToInt(Integer::parseInt).toArray());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("texts")
    void hasTheReferencesIds(String what, String text, int[] ids) {
        assertThat(Tokenizer.of("gpt2").encode(text)).as(what).isEqualTo(ids);
    }

    @Test
    void theReferenceIsTheLibrary() throws IOException {
        Path file = TokenizerFiles.write(folder, TokenizerFiles.gpt2(Tokenizer.of("gpt2")));
        NativeTokenizer library = TokenizerFiles.byLibrary(file);
        Tokenizer own = Tokenizer.of(file.toString());
        assertThat(own).isInstanceOf(GptTokenizer.class);
        texts().forEach(row -> {
            String text = (String) row.get()[1];
            assertThat(library.encode(text)).isEqualTo((int[]) row.get()[2]);
            assertThat(own.encode(text)).isEqualTo((int[]) row.get()[2]);
        });
        Generator random = new Generator("theReferenceIsTheLibrary");
        for (int i = 0; i < 2000; i++) {
            String text = random.text(200);
            assertThat(own.encode(text)).as(text).isEqualTo(library.encode(text));
        }
        Tokenizer gpt2 = Tokenizer.of("gpt2");
        for (int id = 0; id < own.vocabularySize(); id++) {
            assertThat(own.bytes(id)).isEqualTo(gpt2.bytes(id));
        }
    }

    @Test
    void piecesByHandAreThoseOfTheExpression() {
        Generator random = new Generator("piecesByHandAreThoseOfTheExpression");
        for (int i = 0; i < 5000; i++) {
            String text = i < 14 ? (String) texts().toList().get(i).get()[1] : random.text(300);
            var pieces = Tokenizers.PIECES.matcher(text);
            int from = 0;
            while (pieces.find()) {
                assertThat(pieces.start()).isEqualTo(from);
                from = Pieces.end(text, from);
                assertThat(from).as(text).isEqualTo(pieces.end());
            }
            assertThat(from).isEqualTo(text.length());
        }
    }
}
