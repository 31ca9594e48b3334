package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;

/**
 * A text that is trained on as one.
 *
 * @param part its number in the file, from 0; always 0 if a file is a document
 * @param text not empty
 * @param bytes of the text in UTF-8
 */
public record Document(TextFile file, long part, String text, long bytes) {

    /** Counts the bytes, for who has not seen them. */
    public Document(TextFile file, long part, String text) {
        this(file, part, text, Utf8.length(text));
    }
}
