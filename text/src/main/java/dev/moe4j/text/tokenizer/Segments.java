package dev.moe4j.text.tokenizer;

import dev.moe4j.base.text.Utf8;
import java.util.function.Consumer;

/** Iterates over the segments of a text that a tokenizer can encode independently. */
final class Segments {
    private Segments() {}

    /** Passes the segments to {@code out} in order. Unpaired surrogates are replaced by U+FFFD. */
    static void forEach(Tokenizer tokenizer, String text, Consumer<String> out) {
        String valid = Utf8.valid(text);
        for (int from = 0; from < valid.length(); ) {
            int end = tokenizer.segmentEnd(valid, from);
            out.accept(valid.substring(from, end));
            from = end;
        }
    }
}
