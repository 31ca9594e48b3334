package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.model.spec.Activation;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.FastProducts;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.config.BatchConfig;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class LawTest {
    private static final Architecture TINY = new Architecture(
            new ModelConfig(2, 32, 4, 64, 256, 16, Activation.GELU, 0.1, 0, -1, 4, 2, 64, 0),
            RoutingConfig.DEFAULT,
            BalanceConfig.DEFAULT);

    /** The law over fewer steps than the benchmark. */
    @Test
    void memoryStaysFlat() {
        List<Integer> heard = new ArrayList<>();
        MemoryLaw.Result result =
                new MemoryLaw(TINY, new BatchConfig(4, 2), Precision.BF16, Device.CPU).run(1000, heard::add);

        assertThat(heard).hasSize(1000).endsWith(1000);
        assertThat(result.samples())
                .extracting(MemoryLaw.Sample::step)
                .startsWith(100, 150)
                .hasSize(19)
                .endsWith(1000);
        assertThat(result.liveTensorsAreEqual()).as(result.toString()).isTrue();
        assertThat(result.growth().orElse(0)).as(result.toString()).isLessThan(MemoryLaw.BOUND);
        assertThat(result.holds()).isTrue();
    }

    @Test
    void growthBreaksTheLawOfFlatMemory() {
        assertThat(memory(0, 100, 300, 350, 550).growth())
                .as("the second of 5, 10, 20, 20")
                .hasValue(10);
        assertThat(memory(0, 100, 300, 350, 550).holds()).isTrue();
        // A single allocation of the JVM does not count; a leak in each step does.
        assertThat(memory(0, 0, 1 << 20, 1 << 20).growth()).hasValue(0);
        assertThat(memory(0, 1000, 2000, 3000).holds()).isFalse();
        assertThat(new MemoryLaw.Result(List.of(sample(10, 0, 7), sample(20, 0, 8))).holds())
                .isFalse();
        MemoryLaw.Sample untold = new MemoryLaw.Sample(1, OptionalLong.empty(), OptionalLong.empty(), 7);
        MemoryLaw.Result result = new MemoryLaw.Result(List.of(untold, untold));
        assertThat(result.growth()).isEmpty();
        assertThat(result.holds()).isTrue();
    }

    /** A result with the given bytes in use, one sample per ten steps. */
    private static MemoryLaw.Result memory(long... bytes) {
        return new MemoryLaw.Result(IntStream.range(0, bytes.length)
                .mapToObj(i -> sample(10 * i, bytes[i], 7))
                .toList());
    }

    private static MemoryLaw.Sample sample(int step, long heapBytes, long live) {
        return new MemoryLaw.Sample(step, OptionalLong.of(heapBytes), OptionalLong.empty(), live);
    }

    @Test
    void aDifferenceBreaksTheLawOfPrecision() {
        assertThat(precision(4, 4.02).difference()).isCloseTo(0.02, within(1e-12));
        assertThat(precision(4, 4.019).holds()).isTrue();
        assertThat(precision(4, 3.981).holds()).isTrue();
        assertThat(precision(4, 4.021).holds()).isFalse();
        assertThat(precision(4, 3.979).holds()).isFalse();
        assertThat(precision(4, Double.NaN).holds()).isFalse();
    }

    private static PrecisionLaw.Result precision(double fp32, double narrow) {
        return new PrecisionLaw.Result(
                500, 50, 1, new PrecisionLaw.Twin(fp32, 1, 0), new PrecisionLaw.Twin(narrow, 1, 0));
    }

    /** A few steps of real text, after which the two runs still agree closely. */
    @Test
    void bfloat16FollowsFloat32OnRealText() {
        FastProducts.assume(DType.BFLOAT16);
        int[] done = {0};
        try (SampleText text = SampleText.prepare()) {
            PrecisionLaw law = new PrecisionLaw("cpu-tiny-moe", Precision.BF16, text.shards(), Device.CPU);
            PrecisionLaw.Result result = law.run(30, (step, _) -> done[0] = step);

            assertThat(done[0]).isEqualTo(60);
            assertThat(result.averaged()).isEqualTo(30);
            assertThat(result.tokens()).isEqualTo(30 * 8 * 64);
            assertThat(result.fp32().loss()).isBetween(4.0, Math.log(2048) + 0.5);
            assertThat(result.holds()).as(result.toString()).isTrue();
            assertThatThrownBy(() -> law.run(0, (_, _) -> {})).hasMessageContaining("steps: 0");
        }
    }
}
