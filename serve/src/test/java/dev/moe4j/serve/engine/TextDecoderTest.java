package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class TextDecoderTest {
    @Test
    void charactersWaitUntilTheyAreComplete() {
        String text = "aä€𝄞z";
        TextDecoder decoder = new TextDecoder();
        StringBuilder out = new StringBuilder();
        for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
            String piece = decoder.add(new byte[] {b});
            assertThat(piece).doesNotContain("\uFFFD");
            out.append(piece);
        }
        assertThat(out.append(decoder.end())).hasToString(text);
    }

    @Test
    void whatIsNoTextIsReplaced() {
        TextDecoder decoder = new TextDecoder();
        assertThat(decoder.add(new byte[] {'a', (byte) 0xff, 'b'})).isEqualTo("a\uFFFDb");
        assertThat(decoder.add(new byte[] {(byte) 0xe2, (byte) 0x82})).isEmpty();
        assertThat(decoder.end()).isEqualTo("\uFFFD");
        assertThat(decoder.end()).isEmpty();
        assertThat(decoder.add(new byte[0])).isEmpty();
    }
}
