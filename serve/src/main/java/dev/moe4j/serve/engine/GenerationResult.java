package dev.moe4j.serve.engine;

/**
 * A generated text.
 *
 * @param text the text without prompt and stop text
 * @param promptTokens the prompt's number of tokens
 * @param tokens the number of generated tokens without an end-of-text token
 * @param finish why the text ended
 */
public record GenerationResult(String text, int promptTokens, int tokens, FinishReason finish) {}
