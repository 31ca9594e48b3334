package dev.moe4j.serve.engine;

import java.util.List;

/**
 * Receives a text while it is generated. The calls come in this order: the scored prompt if requested, pieces of the text,
 * and one of {@link #end}, {@link #failed} and {@link #cancelled}.
 */
public interface TextListener {

    /** Receives the prompt's tokens after prefill, if the request asks for their scores. */
    default void prompt(List<ScoredToken> tokens) {}

    /**
     * Receives the next piece of the text. A piece is delivered once its characters are complete and cannot be the start
     * of a stop text.
     *
     * @param text the piece; empty only for final tokens without text, such as end of text
     * @param tokens the tokens that start in the piece, if the request asks for probabilities
     */
    void piece(String text, List<ScoredToken> tokens);

    /** The text is complete. */
    void end(GenerationResult generated);

    /** Generation failed. */
    void failed(Throwable problem);

    /** The text was cancelled before its end. */
    default void cancelled() {}
}
