package dev.moe4j.text.tokenizer;

import dev.moe4j.base.text.Utf8;
import java.util.function.Consumer;

/** A text in the segments that a tokenizer encodes alike on their own. */
final class Segments {
    private Segments() {}

    /** Gives them on in order; a surrogate that is not half of a pair is U+FFFD in them. */
    static void forEach(Tokenizer tokenizer, String text, Consumer<String> out) {
        String valid = Utf8.valid(text);
        for (int from = 0; from < valid.length(); ) {
            int end = tokenizer.segmentEnd(valid, from);
            out.accept(valid.substring(from, end));
            from = end;
        }
    }
}
