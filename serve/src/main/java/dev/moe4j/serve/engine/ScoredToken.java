package dev.moe4j.serve.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A token and how likely the model found it. The end of text that ends a text is one too.
 *
 * @param offset where it begins in its text (prompt or continuation), in Unicode characters (code points)
 * @param logProbability ln p by the model's own distribution, whatever the sampling; null for a token that nothing is
 *     before
 * @param alternatives the most likely tokens at its place, the likeliest first
 */
public record ScoredToken(int id, int offset, @Nullable Double logProbability, List<Alternative> alternatives) {

    /** The same token of a text that has so many more characters before it. */
    public ScoredToken shifted(int characters) {
        return new ScoredToken(id, offset + characters, logProbability, alternatives);
    }

    /** A token that could have stood there. */
    public record Alternative(int id, double logProbability) {}
}
