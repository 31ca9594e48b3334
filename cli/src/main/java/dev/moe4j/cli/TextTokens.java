package dev.moe4j.cli;

import dev.moe4j.data.TextInput;
import dev.moe4j.data.TextTransform;
import dev.moe4j.data.TokenStream;
import dev.moe4j.data.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/** Text that is tokenized in memory: the same ids as {@code prepare} would write. */
final class TextTokens implements IntConsumer {
    private static final int MOST = Integer.MAX_VALUE - 8;

    private int[] ids = new int[1 << 16];
    private int size;

    private TextTokens() {}

    static TokenStream read(Path path, Tokenizer tokenizer, boolean collapseSpaces) {
        TextTokens tokens = new TextTokens();
        TextInput.of(List.of(path))
                .transform(collapseSpaces ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE)
                .read(document -> {
                    tokenizer.encode(document.text(), tokens);
                    tokens.accept(tokenizer.endOfText());
                });
        return TokenStream.of(Arrays.copyOf(tokens.ids, tokens.size));
    }

    @Override
    public void accept(int id) {
        if (size == ids.length) {
            if (size == MOST) {
                throw new CliException("the text has more tokens than fit in memory; use `prepare` first");
            }
            ids = Arrays.copyOf(ids, (int) Math.min(2L * size, MOST));
        }
        ids[size++] = id;
    }
}
