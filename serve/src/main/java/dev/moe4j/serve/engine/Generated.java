package dev.moe4j.serve.engine;

/**
 * A text that was made.
 *
 * @param text without the prompt, and without the stop text that ended it
 * @param promptTokens in the prompt
 * @param tokens made, an end of text not counted
 */
public record Generated(String text, int promptTokens, int tokens, Finish finish) {}
