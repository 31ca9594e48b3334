package dev.moe4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.RanksInThreads;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.parallel.DistributedRun;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.LayoutLawTest.Division;
import dev.moe4j.train.LayoutLawTest.Run;
import dev.moe4j.train.LayoutLawTest.Subject;
import dev.moe4j.train.config.ParallelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Tests {@code parallel.wire}: the type in which tokens travel between two ranks that share experts. */
class WireTest {

    /** The largest relative change of a number by rounding to bfloat16, which has 8 significant bits. */
    private static final double ROUNDING = Math.scalb(1.0, -8);

    /**
     * The largest change of a tensor by rounding to the nearest bfloat16, relative to its norm: half a unit in the last
     * place.
     */
    private static final double HALF_PLACE = Math.scalb(1.0, -9);

    private static final int MOE_LAYERS = 2;
    private static final int STEPS = 5;

    private static Run run(
            DistributedRun processes, Subject subject, Precision precision, ParallelConfig.Wire wire, int steps) {
        ParallelConfig config = new ParallelConfig(2, Sharding.NONE, wire, false, ExpertGradients.EXACT);
        return LayoutLawTest.run(
                subject, Division.PLAIN, precision, config.connect(processes), ExpertGradients.EXACT, steps);
    }

    private static Run run(Subject subject, Precision precision, ParallelConfig.Wire wire, int steps) {
        return RanksInThreads.run(2, processes -> run(processes, subject, precision, wire, steps))
                .getFirst();
    }

    /**
     * A value is rounded twice in each MoE layer: as a token on its way to the experts and as a result on its way back.
     * Each rounding changes it by a fraction of at most {@link #ROUNDING}. To first order the loss therefore changes by
     * at most 2 such fractions per layer.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void rowsInFp32LoseNoMoreThanTheirRoundings(boolean capacity) {
        Subject subject = new Subject(capacity, true, 4);
        Run exact = run(subject, Precision.FP32, ParallelConfig.Wire.FP32, STEPS);
        Run rounded = run(subject, Precision.FP32, ParallelConfig.Wire.BF16, STEPS);
        for (int step = 0; step < STEPS; step++) {
            double loss = exact.steps().get(step).loss();
            assertThat(rounded.steps().get(step).loss())
                    .isNotEqualTo(loss)
                    .isCloseTo(loss, within(2 * MOE_LAYERS * ROUNDING * loss));
        }
    }

    /**
     * Each MoE layer rounds four tensors: tokens and results forward, and their gradients backward. Each rounding moves
     * a tensor by at most {@link #HALF_PLACE} of its norm, in an independent direction. To first order, n roundings
     * move the later results by √n times this fraction, if layers do not amplify small relative changes.
     *
     * <p>The bound holds for all gradients as one vector. The gradient of a single tensor can move more if it is a
     * small difference of large numbers, as for keys. Experts add only a part of the residual stream, so the observed
     * change is smaller: 0.3 of one rounding. A change of zero would mean that nothing was rounded.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void gradientsLoseNoMoreThanTheirRoundings(boolean capacity) {
        Subject subject = new Subject(capacity, true, 4);
        Run exact = run(subject, Precision.FP32, ParallelConfig.Wire.FP32, 1);
        Run rounded = run(subject, Precision.FP32, ParallelConfig.Wire.BF16, 1);
        double squares = 0;
        double moved = 0;
        for (Map.Entry<String, double[]> tensor : exact.gradients().entrySet()) {
            double[] a = Objects.requireNonNull(rounded.gradients().get(tensor.getKey()));
            double[] b = tensor.getValue();
            for (int i = 0; i < b.length; i++) {
                squares += b[i] * b[i];
                moved += (a[i] - b[i]) * (a[i] - b[i]);
            }
        }
        assertThat(Math.sqrt(moved / squares)).isBetween(HALF_PLACE / 8, Math.sqrt(4 * MOE_LAYERS) * HALF_PLACE);
    }

    @Test
    void rowsThatAreNoWiderTravelAsTheyAre() {
        Subject subject = new Subject(false, false, 4);
        for (Precision precision : List.of(Precision.BF16, Precision.FP16)) {
            Run plain = run(subject, precision, ParallelConfig.Wire.FP32, 2);
            Run asked = run(subject, precision, ParallelConfig.Wire.BF16, 2);
            assertThat(asked.steps()).isEqualTo(plain.steps());
            plain.parameters()
                    .forEach((name, values) ->
                            assertThat(asked.parameters().get(name)).as(name).containsExactly(values));
        }
    }

    /**
     * With a capacity every expert has 4 places for each of a rank's 8 sequences, used or not. So 64 tokens of 16
     * elements travel from one rank to the other's two experts. bfloat16 saves 2 bytes per element, four times per
     * layer.
     */
    @Test
    @EnabledOnOs(OS.LINUX)
    void rowsAndTheirGradientsTakeHalfTheBytes() throws IOException {
        Subject subject = new Subject(true, false, 4);
        long saved = 2L * STEPS * MOE_LAYERS * 4 * 64 * 16 * 2;
        long wide = written(subject, ParallelConfig.Wire.FP32);
        long narrow = written(subject, ParallelConfig.Wire.BF16);
        // Tensors gathered for the final checkpoint are exact; they would show up here.
        assertThat(wide - narrow).isCloseTo(saved, within(saved / 50));
    }

    /** The bytes that this process, which runs both ranks, writes to sockets in a run. */
    private static long written(Subject subject, ParallelConfig.Wire wire) throws IOException {
        long before = written();
        run(subject, Precision.FP32, wire, STEPS);
        return written() - before;
    }

    private static long written() throws IOException {
        return Files.readAllLines(Path.of("/proc/self/io")).stream()
                .filter(line -> line.startsWith("wchar: "))
                .mapToLong(line -> Long.parseLong(line.substring("wchar: ".length())))
                .sum();
    }
}
