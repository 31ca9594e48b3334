package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;

/**
 * One document of the input: the unit that training, selection and evaluation treat as one text.
 *
 * @param file the file that has the document
 * @param part the document's number in its file, from 0; always 0 if the whole file is one document
 * @param text the text, not empty
 * @param bytes the length of the text in UTF-8 bytes
 */
public record Document(TextFile file, long part, String text, long bytes) {

    /** Creates a document and computes its length in UTF-8. */
    public Document(TextFile file, long part, String text) {
        this(file, part, text, Utf8.length(text));
    }
}
