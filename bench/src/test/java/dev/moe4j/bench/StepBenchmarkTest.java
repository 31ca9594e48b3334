package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Activation;
import dev.moe4j.model.Architecture;
import dev.moe4j.model.BalanceConfig;
import dev.moe4j.model.ModelConfig;
import dev.moe4j.model.RoutingConfig;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.BatchConfig;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepBenchmarkTest {
    private static final Architecture TINY = new Architecture(
            new ModelConfig(2, 32, 4, 64, 256, 16, Activation.GELU, 0, 0, -1, 4, 2, 64, 0),
            RoutingConfig.DEFAULT,
            BalanceConfig.DEFAULT);

    @Test
    void measuresWholeSteps() {
        List<Integer> heard = new ArrayList<>();
        StepBenchmark.Result result = new StepBenchmark(TINY, new BatchConfig(4, 1), Precision.FP32, Device.CPU)
                .run(1, 3, (done, _) -> heard.add(done));

        assertThat(heard).containsExactly(1, 2, 3, 4);
        assertThat(result.tokens()).isEqualTo(64);
        assertThat(result.seconds()).isPositive();
        assertThat(result.peak()).isGreaterThan(1e8);
        assertThat(result.fractionOfPeak()).isBetween(0.0, 1.0);
        assertThat(result.sections())
                .extracting(SectionTime::name)
                .contains("embedding", "attention", "ffn", "route", "dispatch", "experts", "combine", "head");
        assertThat(result.sections()).allMatch(time -> time.forwardMs() > 0 && time.backwardMs() >= 0);
        assertThat(result.optimizerMilliseconds()).isPositive();
        assertThat(result.lastLoss()).isFinite();
    }

    /** Counted by hand: width 32, context 16, vocabulary 256, one dense layer and one of 4 experts, of which 2. */
    @Test
    void countsWhatIsUseful() {
        StepBenchmark.Result result =
                new StepBenchmark(TINY, new BatchConfig(1, 1), Precision.FP32, Device.CPU).run(0, 1, (_, _) -> {});

        long attention = 2 * 32 * (3 * 32 + 32) + 2 * 2 * 32 * 16;
        long forward = 2 * attention
                + 2 * 2 * 32 * 64 // dense
                + 2 * (2 * 2 * 32 * 64) // two experts
                + 2 * 32 * 4 // router
                + 2 * 32 * 256; // head
        assertThat(result.flopsPerToken()).isEqualTo(3.0 * forward);
        long expert = 2 * 32 * 64 + 32 + 64;
        assertThat(result.parametersTotal() - result.parametersActive()).isEqualTo(2 * expert);
    }
}
