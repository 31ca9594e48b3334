package dev.moe4j.data.shard;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.data.prepare.TokenText;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TextSizeTest {

    @ParameterizedTest
    @CsvSource(
            ignoreLeadingAndTrailingWhitespace = false,
            value = {"'',0,0", "' \n\t',3,0", "one,3,1", "' one  two,three\n\t four  ',24,3", "\u2603\u2603 \u00e9,9,2"
            })
    void countsBytesAndWords(String text, long bytes, long words) {
        assertThat(TextSize.of(text)).isEqualTo(new TextSize(bytes, words));
    }

    @ParameterizedTest
    @CsvSource({"bytes", "gpt2:512"})
    void decodedTokensHaveTheSizeOfTheirText(String spec) {
        Tokenizer tokenizer = Tokenizer.of(spec);
        String text = "Zw\u00f6lf Boxk\u00e4mpfer jagen\nViktor quer, quer.";
        int[] ids = tokenizer.encode(text);
        int[] twice = new int[2 * ids.length + 2];
        Arrays.fill(twice, tokenizer.endOfText());
        System.arraycopy(ids, 0, twice, 0, ids.length);
        System.arraycopy(ids, 0, twice, ids.length + 1, ids.length);

        TextSize size = TextSize.of(text);
        assertThat(size.words()).isEqualTo(6);
        assertThat(TokenText.of(tokenizer).size(TokenStream.of(twice))).isEqualTo(size.plus(size));
        assertThat(TokenText.NONE.size(TokenStream.of(twice))).isEqualTo(new TextSize(0, 0));
    }

    @Test
    void aStreamIsCountedAcrossItsBlocks() {
        Tokenizer tokenizer = Tokenizer.of("bytes");
        String text = "abc ".repeat(50_000);
        assertThat(TokenText.of(tokenizer).size(TokenStream.of(tokenizer.encode(text))))
                .isEqualTo(TextSize.of(text))
                .isEqualTo(new TextSize(200_000, 50_000));
    }
}
