package dev.moe4j.data;

/**
 * A text that is trained on as one.
 *
 * @param part its number in the file, from 0; always 0 if a file is a document
 * @param text not empty
 */
public record Document(TextFile file, long part, String text) {}
