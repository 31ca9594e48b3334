package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.serve.engine.ScoredToken.Alternative;
import java.util.List;
import org.junit.jupiter.api.Test;

class TokenLogProbabilitiesTest {
    /** Logits of the probabilities 0.1, 0.4, 0.1 and 0.4, shifted far from 0 to provoke an overflow. */
    private final TokenLogProbabilities four =
            logProbabilities(4, 900 + Math.log(1), 900 + Math.log(4), 900 + Math.log(1), 900 + Math.log(4));

    private static TokenLogProbabilities logProbabilities(int tokens, double... logits) {
        return new TokenLogProbabilities(logits, tokens);
    }

    /** Rows that pad the vocabulary count for normalisation, but are not reported. */
    @Test
    void countsRowsThatAreNotTokens() {
        ScoredToken token =
                logProbabilities(2, Math.log(1), Math.log(2), Math.log(5)).score(0, 0, 3);
        assertThat(token.logProbability()).isCloseTo(Math.log(0.125), within(1e-12));
        assertThat(token.alternatives()).extracting(Alternative::id).containsExactly(1, 0);
    }

    @Test
    void scoresByTheModelsDistribution() {
        ScoredToken token = four.score(2, 17, 3);

        assertThat(token.id()).isEqualTo(2);
        assertThat(token.offset()).isEqualTo(17);
        assertThat(token.logProbability()).isCloseTo(Math.log(0.1), within(1e-12));
        assertThat(token.alternatives()).extracting(Alternative::id).containsExactly(1, 3, 0);
        assertThat(token.alternatives().getFirst().logProbability()).isCloseTo(Math.log(0.4), within(1e-12));
        assertThat(four.score(0, 0, 99).alternatives()).hasSize(4);
        assertThat(four.score(0, 0, 0).alternatives()).isEmpty();
    }

    @Test
    void impossibleTokensHaveNoProbability() {
        ScoredToken token = logProbabilities(2, 0, Double.NEGATIVE_INFINITY).score(1, 0, 1);
        assertThat(token.logProbability()).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(token.alternatives()).isEqualTo(List.of(new Alternative(0, 0)));
    }
}
