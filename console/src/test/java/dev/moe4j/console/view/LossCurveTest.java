package dev.moe4j.console.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class LossCurveTest {
    private final LossCurve curve = new LossCurve();

    @Test
    void fallsFromItsHighestToItsLowest() {
        for (int step = 0; step < 8; step++) {
            curve.add(8 - step);
        }

        // Eight dots high and wide: a diagonal.
        assertThat(curve.lines(40, 2)).containsExactly("   8.000 ⠑⢄⠀⠀", "   1.000 ⠀⠀⠑⢄");
    }

    /** A fall over the full height is a line, not two separate dots. */
    @Test
    void connectsDistantPoints() {
        for (double loss : new double[] {5, 5, 1, 1}) {
            curve.add(loss);
        }

        assertThat(curve.lines(40, 2)).containsExactly("   5.000 ⠉⡆", "   1.000 ⠀⣇");
    }

    @Test
    void oneLossIsALevelLine() {
        assertThat(curve.lines(40, 2)).isEmpty();
        curve.add(Double.NaN);
        assertThat(curve.lines(40, 2)).isEmpty();
        curve.add(2.5);
        assertThat(curve.lines(40, 2)).containsExactly("   2.500 ⠁", "   2.500 ⠀");
    }

    /** A million steps keep their shape in a few columns, including both ends. */
    @Test
    void keepsMeansOfAnyNumberOfSteps() {
        for (int step = 0; step < 1_000_000; step++) {
            curve.add(step < 500_000 ? 4 : 3);
        }

        List<String> lines = curve.lines(13, 1);
        assertThat(lines).containsExactly("   4.000 ⠉⠉⣆⣀");
    }

    @Test
    void staysWithinItsColumns() {
        for (int step = 0; step < 5000; step++) {
            curve.add(1e9 * Math.sin(step));
        }

        for (int columns = 10; columns < 100; columns++) {
            assertThat(curve.lines(columns, 3)).hasSize(3);
            for (String line : curve.lines(columns, 3)) {
                assertThat(line.length()).isEqualTo(columns);
            }
        }
        assertThat(curve.lines(9, 3)).isEmpty();
    }
}
