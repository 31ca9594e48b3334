package dev.moe4j.serve.engine;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplingTest {
    /** Probabilities 0.1, 0.4, 0.2, 0.3. */
    private static final double[] LOGITS = {Math.log(1), Math.log(4), Math.log(2), Math.log(3)};

    /** Returns how often each token is drawn for an even grid of uniform numbers. */
    private static double[] shares(Sampling sampling) {
        int n = 1000;
        double[] shares = new double[LOGITS.length];
        IntStream.range(0, n).forEach(i -> shares[sampling.draw(LOGITS, (i + 0.5) / n)] += 1.0 / n);
        return shares;
    }

    @Test
    void drawsFromTheModelsDistribution() {
        assertThat(shares(Sampling.DEFAULT)).containsExactly(new double[] {0.1, 0.4, 0.2, 0.3}, within(2e-3));
    }

    @Test
    void temperatureSharpens() {
        assertThat(shares(new Sampling(0, 0, 1))).containsExactly(new double[] {0, 1, 0, 0}, within(1e-9));
        assertThat(shares(new Sampling(0.5, 0, 1)))
                .containsExactly(new double[] {1 / 30.0, 16 / 30.0, 4 / 30.0, 9 / 30.0}, within(2e-3));
        assertThat(shares(new Sampling(1e6, 0, 1)))
                .containsExactly(new double[] {0.25, 0.25, 0.25, 0.25}, within(2e-3));
        assertThat(shares(new Sampling(Double.MIN_VALUE, 0, 1)))
                .as("no overflow")
                .containsExactly(new double[] {0, 1, 0, 0}, within(1e-9));
    }

    @Test
    void topKAndTopPCutTheTail() {
        assertThat(shares(new Sampling(1, 2, 1))).containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(2e-3));
        assertThat(shares(new Sampling(1, 0, 0.6)))
                .containsExactly(new double[] {0, 4 / 7.0, 0, 3 / 7.0}, within(2e-3));
        assertThat(shares(new Sampling(1, 0, 0.05))).containsExactly(new double[] {0, 1, 0, 0}, within(1e-9));
        assertThat(shares(new Sampling(1, 100, 1))).isEqualTo(shares(Sampling.DEFAULT));
    }

    @Test
    void equalLogitsGoByNumber() {
        assertThat(new Sampling(0, 0, 1).draw(new double[] {1, 2, 2, 2}, 0.9)).isEqualTo(1);
    }

    @Test
    void refusesWhatCannotBeSampled() {
        assertThatThrownBy(() -> new Sampling(-1, 0, 1)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> new Sampling(Double.NaN, 0, 1)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> new Sampling(1, -1, 1)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> new Sampling(1, 0, 0)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> new Sampling(1, 0, 1.1)).isInstanceOf(ServeException.class);
        assertThatThrownBy(() -> Sampling.DEFAULT.draw(new double[] {1, Double.NaN}, 0.5))
                .isInstanceOf(ServeException.class)
                .hasMessageContaining("the model's logits are NaN");
    }
}
