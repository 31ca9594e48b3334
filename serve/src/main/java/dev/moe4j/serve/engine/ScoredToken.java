package dev.moe4j.serve.engine;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A token with its log-probability. A final end-of-text token is also reported.
 *
 * @param id the token's number in the vocabulary
 * @param offset the token's start in its text (prompt or generated text), in Unicode code points
 * @param logProbability ln p in the model's distribution before sampling; null for the first token of a sequence
 * @param alternatives the most likely tokens at this position, in descending order
 */
public record ScoredToken(int id, int offset, @Nullable Double logProbability, List<Alternative> alternatives) {

    /** Returns this token with its offset increased by {@code characters}. */
    public ScoredToken shifted(int characters) {
        return new ScoredToken(id, offset + characters, logProbability, alternatives);
    }

    /** A likely token for the same position, and its ln p. */
    public record Alternative(int id, double logProbability) {}
}
