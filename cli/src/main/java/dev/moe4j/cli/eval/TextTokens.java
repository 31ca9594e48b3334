package dev.moe4j.cli.eval;

import dev.moe4j.console.output.CliException;
import dev.moe4j.data.shard.TextSize;
import dev.moe4j.data.shard.TokenStream;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.source.TextTransform;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntConsumer;

/** Tokenizes text in memory, to the same token ids that {@code prepare} writes. */
final class TextTokens implements IntConsumer {
    private static final int MAX_TOKENS = Integer.MAX_VALUE - 8;

    private int[] ids = new int[1 << 16];
    private int size;

    private TextTokens() {}

    /**
     * A tokenized text.
     *
     * @param size the size of the text before tokenization
     */
    record Tokenized(TokenStream tokens, TextSize size) {}

    static Tokenized read(Path path, Tokenizer tokenizer, boolean collapseSpaces) {
        TextTokens tokens = new TextTokens();
        TextSize[] size = {new TextSize(0, 0)};
        TextInput.of(List.of(path))
                .transform(collapseSpaces ? TextTransform.COLLAPSE_SPACES : TextTransform.NONE)
                .read(document -> {
                    tokenizer.encode(document.text(), tokens);
                    tokens.accept(tokenizer.endOfText());
                    size[0] = size[0].plus(TextSize.of(document.text()));
                });
        return new Tokenized(TokenStream.of(Arrays.copyOf(tokens.ids, tokens.size)), size[0]);
    }

    @Override
    public void accept(int id) {
        if (size == ids.length) {
            if (size == MAX_TOKENS) {
                throw new CliException("the text has more tokens than fit in memory; use `prepare` first");
            }
            ids = Arrays.copyOf(ids, (int) Math.min(2L * size, MAX_TOKENS));
        }
        ids[size++] = id;
    }
}
