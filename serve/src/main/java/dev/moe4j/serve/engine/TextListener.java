package dev.moe4j.serve.engine;

import java.util.List;

/** Hears of a text while it is made: the prompt, if it was asked for, then pieces, then its end or why it failed. */
public interface TextListener {

    /** The prompt's tokens, once they are read, where the request asked for them. */
    default void prompt(List<ScoredToken> tokens) {}

    /**
     * More of the text.
     *
     * @param text as soon as its characters are complete and cannot be the beginning of a stop text; empty only where
     *     tokens at the end make no text, as an end of text does
     * @param tokens those that begin in it, where the request asked for probabilities
     */
    void piece(String text, List<ScoredToken> tokens);

    /** The text is whole. */
    void end(Generated generated);

    /** It cannot be made; nothing follows. */
    void failed(Throwable problem);

    /** It was cancelled; nothing follows. */
    default void cancelled() {}
}
