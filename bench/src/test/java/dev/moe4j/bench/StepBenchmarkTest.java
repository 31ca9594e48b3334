package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.parallel.Fabric;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.train.RunConfig;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class StepBenchmarkTest {
    private static StepBenchmark tiny(int sequences) {
        RunConfig run = RunConfig.read(
                "cpu-tiny-moe",
                List.of(
                        "model.layers=2",
                        "model.width=32",
                        "model.heads=4",
                        "model.ffn=64",
                        "model.vocabulary=256",
                        "model.context=16",
                        "model.experts=4",
                        "model.expert_ffn=64",
                        "batch.sequences=" + sequences,
                        "batch.accumulation=1"));
        return new StepBenchmark(run, Precision.FP32, Device.CPU, Fabric.SINGLE);
    }

    @Test
    void measuresWholeSteps() {
        List<Integer> heard = new ArrayList<>();
        StepBenchmark.Result result = tiny(4).run(1, 3, (done, _) -> heard.add(done));

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
        assertThat(result.exchangeShare()).isZero();
        assertThat(result.memory()).hasSize(1);
        assertThat(result.memory().getFirst().planned()).isPositive();
    }

    /** Counted by hand: width 32, context 16, vocabulary 256, one dense layer and one of 4 experts, of which 2. */
    @Test
    void countsWhatIsUseful() {
        StepBenchmark.Result result = tiny(1).run(1, 1, (_, _) -> {});

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
