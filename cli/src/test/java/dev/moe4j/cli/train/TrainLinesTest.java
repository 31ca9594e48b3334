package dev.moe4j.cli.train;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.console.view.LossCurve;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TrainLinesTest {
    private static TrainLines.Snapshot figures(Map<String, Double> validation, List<TrainLines.Layer> layers) {
        return new TrainLines.Snapshot(
                1234,
                10_000,
                2,
                Duration.ofSeconds(754),
                3.21415,
                6e-4,
                0.527,
                12_300,
                0.62,
                (long) (1.9 * (1L << 30)),
                validation,
                layers);
    }

    private static LossCurve curve() {
        LossCurve curve = new LossCurve();
        for (int step = 0; step < 12; step++) {
            curve.add(12 - step);
        }
        return curve;
    }

    private static List<TrainLines.Layer> twoLayers() {
        return List.of(
                new TrainLines.Layer(1, new double[] {1, 1, 0.5, 1.5, 0, 2, 1, 1}),
                new TrainLines.Layer(3, new double[] {4, 0.25, 0.75, 1, 1, 0.5, 0.25, 0.25}));
    }

    private static Map<String, Double> validation() {
        Map<String, Double> sets = new LinkedHashMap<>();
        sets.put("wiki", 3.3014);
        sets.put("code", 2.8741);
        return sets;
    }

    @Test
    void eightyColumns() {
        assertThat(TrainLines.of(figures(validation(), twoLayers()), curve(), 79))
                .containsExactly(
                        "train [====                                   ] 1,234/10,000 (12 %), 12:34 left",
                        "  12.000 ⠑⢄⠀⠀⠀⠀",
                        "         ⠀⠀⠑⢄⠀⠀",
                        "   1.000 ⠀⠀⠀⠀⠑⢄",
                        "loss 3.2142, rate 6.00e-04, gradient 0.527, 2 skipped, 12,300 tokens/s",
                        "62 % of peak, 1.9 GiB",
                        "validation: wiki 3.301, code 2.874",
                        "layer 1   ▅▅▃▇·█▅▅ at most 2.0 x even, 1 dead",
                        "layer 3   █▁▂▃▃▂▁▁ at most 4.0 x even");
    }

    @Test
    void fortyColumns() {
        assertThat(TrainLines.of(figures(validation(), twoLayers()), curve(), 39))
                .containsExactly(
                        "train 1,234/10,000 (12 %), 12:34 left",
                        "  12.000 ⠑⢄⠀⠀⠀⠀",
                        "         ⠀⠀⠑⢄⠀⠀",
                        "   1.000 ⠀⠀⠀⠀⠑⢄",
                        "loss 3.2142, rate 6.00e-04",
                        "gradient 0.527, 2 skipped",
                        "12,300 tokens/s, 62 % of peak, 1.9 GiB",
                        "validation: wiki 3.301, code 2.874",
                        "layer 1   ▅▅ at most 2.0 x even, 1 dead",
                        "layer 3   █▁▂▃▃▂▁▁ at most 4.0 x even");
    }

    /** A dense model at its first step, when most values are unknown. */
    @Test
    void unknownValuesAreOmitted() {
        TrainLines.Snapshot first =
                new TrainLines.Snapshot(1, 50, 0, null, 5.5, 1e-5, 2, 900, 0.4, 0, Map.of(), List.of());
        assertThat(TrainLines.of(first, new LossCurve(), 79))
                .containsExactly(
                        "train [=                                                           ] 1/50 (2 %)",
                        "loss 5.5000, rate 1.00e-05, gradient 2.00, 900 tokens/s, 40 % of peak");
    }

    /** With more layers than fit, shows those with dead experts and the most unbalanced ones, in order. */
    @Test
    void theMostUnbalancedLayersAreShown() {
        List<TrainLines.Layer> layers = IntStream.range(0, 20)
                .mapToObj(i ->
                        new TrainLines.Layer(i, i == 4 ? new double[] {0, 2} : new double[] {2 - i / 20.0, i / 20.0}))
                .toList();
        assertThat(TrainLines.of(figures(Map.of(), layers), curve(), 79).stream()
                        .filter(line -> line.contains("layer"))
                        .map(line -> line.substring(0, 12)))
                .containsExactly(
                        "layer 0   █·",
                        "layer 1   █▁",
                        "layer 2   █▁",
                        "layer 3   █▁",
                        "layer 4   ·█",
                        "layer 5   █▂",
                        "and 14 more ");
    }

    /** The published model's 512 experts, and a set's name that is longer than a line. */
    @ParameterizedTest
    @ValueSource(ints = {10, 20, 39, 40, 79, 200})
    void noLineIsTooLong(int columns) {
        double[] load = new double[512];
        Arrays.setAll(load, expert -> expert % 100 == 0 ? 0 : 1 + expert / 512.0);
        Map<String, Double> sets = Map.of("a set whose name somebody made very long so that it does not fit", 2.0);
        List<String> lines = TrainLines.of(figures(sets, List.of(new TrainLines.Layer(11, load))), curve(), columns);
        assertThat(lines).allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(columns));
        if (columns >= 40) {
            assertThat(lines.getLast()).contains("6 dead");
        }
    }
}
