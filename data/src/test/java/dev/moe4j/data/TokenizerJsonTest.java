package dev.moe4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class TokenizerJsonTest {

    @Test
    void aTokenizerIsReadBackFromItsFile(@TempDir Path folder) throws IOException {
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

    @Test
    void bytesHaveNoRanks() {
        assertThatThrownBy(() -> TokenizerJson.of(new ByteTokenizer()))
                .isInstanceOf(DataException.class)
                .hasMessage("the tokenizer bytes has no GPT-2 ranks to write as a tokenizer.json; give gpt2 or gpt2:N");
    }
}
