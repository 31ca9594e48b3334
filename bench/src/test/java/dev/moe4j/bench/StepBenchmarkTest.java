package dev.moe4j.bench;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.data.prepare.Preparation;
import dev.moe4j.data.sample.TrainingData;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.model.cost.Cost;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.parallel.layout.Layout;
import dev.moe4j.parallel.layout.Sharding;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Precision;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import dev.moe4j.train.config.RunConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class StepBenchmarkTest {
    private static StepBenchmark tiny(int sequences) {
        return new StepBenchmark(run(sequences, 256), Precision.FP32, Device.CPU, ParallelContext.SINGLE);
    }

    private static RunConfig run(int sequences, int vocabulary) {
        return RunConfig.read(
                "cpu-tiny-moe",
                List.of(
                        "model.layers=2",
                        "model.width=32",
                        "model.heads=4",
                        "model.ffn=64",
                        "model.vocabulary=" + vocabulary,
                        "model.context=16",
                        "model.experts=4",
                        "model.expert_ffn=64",
                        "batch.sequences=" + sequences,
                        "batch.accumulation=1"));
    }

    @Test
    void measuresWholeSteps() {
        List<Integer> heard = new ArrayList<>();
        StepBenchmark.Result result = tiny(4).run(2, 3, (done, _) -> heard.add(done));

        assertThat(heard).containsExactly(1, 2, 3, 4, 5);
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
        assertThat(result.load()).hasValueSatisfying(load -> {
            assertThat(load.idle()).isBetween(0.0, 0.5);
            assertThat(load.busiest()).isBetween(1.0, 2.0);
        });
        assertThat(result.memory()).hasSize(1);
        assertThat(result.memory().getFirst().planned()).isPositive();
    }

    @Test
    void balancedRoutesRoundRobin() {
        assertThat(tiny(4).balanced().run(2, 1, (_, _) -> {}).load()).contains(new ExpertLoad(0, 1));
    }

    @Test
    void denseModelsHaveNoLoad() {
        RunConfig dense = RunConfig.read("cpu-tiny-dense", List.of("batch.sequences=2", "batch.accumulation=1"));
        StepBenchmark benchmark = new StepBenchmark(dense, Precision.FP32, Device.CPU, ParallelContext.SINGLE);

        assertThat(benchmark.run(2, 1, (_, _) -> {}).load()).isEmpty();
    }

    /** Equal tokens take the same route, whereas random tokens reach all four experts. */
    @Test
    void trainsOnText(@TempDir Path folder) throws IOException {
        Path text = Files.writeString(folder.resolve("text.txt"), "a".repeat(20_000));
        Path shards = folder.resolve("shards");
        var _ = new Preparation(Tokenizer.of("bytes"), TextInput.of(List.of(text)), shards).run();
        RunConfig run = run(4, ModelConfig.OF_TOKENIZER)
                .forVocabulary(Tokenizer.of("bytes").vocabularySize());
        double lossOfRandom = tiny(4).run(2, 1, (_, _) -> {}).lastLoss();

        try (TrainingData data = TrainingData.of(Shards.open(shards))) {
            StepBenchmark.Result result = new StepBenchmark(run, Precision.FP32, Device.CPU, ParallelContext.SINGLE)
                    .onText(data)
                    .run(2, 3, (_, _) -> {});

            assertThat(result.lastLoss()).isLessThan(lossOfRandom - 0.5);
            assertThat(result.load()).hasValueSatisfying(load -> {
                assertThat(load.idle()).isGreaterThan(0.2);
                assertThat(load.busiest()).isGreaterThan(1.5);
            });
        }
    }

    /** Counted by hand: width 32, context 16, vocabulary 256, one dense layer, one layer with top 2 of 4 experts. */
    @Test
    void countsUsefulFlops() {
        StepBenchmark.Result result = tiny(1).run(2, 1, (_, _) -> {});

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

    /** Counted by hand for 64 tokens: at 1 FLOP per second products decide, at 1 byte per second memory does. */
    @Test
    void floorsFollowFromFlopsAndBytes() {
        Architecture architecture = run(4, 256).architecture();
        SectionFloors products = new SectionFloors(architecture, Precision.FP32, 64, Layout.SINGLE, 1, 1e30);
        SectionFloors memory = new SectionFloors(architecture, Precision.FP32, 64, Layout.SINGLE, 1e30, 1);

        assertThat(products.milliseconds("ffn")).hasValue(1e3 * 3 * 64 * (2 * 2 * 32 * 64));
        assertThat(products.milliseconds("experts")).hasValue(1e3 * 3 * 64 * 2 * (2 * 2 * 32 * 64));
        assertThat(products.milliseconds("attention"))
                .hasValue(1e3 * 3 * 64 * 2 * (2 * 32 * (3 * 32 + 32) + 2 * 32 * 16));
        assertThat(products.milliseconds("exchange_rows")).isEmpty();
        long expert = 2 * 32 * 64 + 32 + 64;
        assertThat(memory.milliseconds("experts")).hasValue(1e3 * 4 * expert * (4 + 4 + 4));
        // One MoE layer, top 2. Forward: residual, two rows, sum. Backward: the sum's gradient, two rows, two
        // gradients.
        assertThat(memory.milliseconds("combine")).hasValue(1e3 * 64 * 32 * 4 * (4 + 5));
        long parameters = Cost.of(architecture).parametersTotal();
        assertThat(memory.optimizerMilliseconds()).isEqualTo(1e3 * parameters * 4 * (2 + 2 + 4));
        SectionFloors half = ofLayout(architecture, new Layout(2, 0, 2, Sharding.NONE));
        assertThat(half.milliseconds("experts")).hasValue(1e3 * 2 * expert * (4 + 4 + 4));
        assertThat(half.optimizerMilliseconds()).isEqualTo(1e3 * (parameters - 2 * expert) * 4 * (2 + 2 + 4));
        // Four processes with two experts each: every process keeps a quarter of the optimizer state.
        SectionFloors sharded = ofLayout(architecture, new Layout(4, 0, 2, Sharding.OPTIMIZER));
        assertThat(sharded.optimizerMilliseconds()).isEqualTo(1e3 * (parameters / 4.0) * 4 * (2 + 2 + 4));
    }

    private static SectionFloors ofLayout(Architecture architecture, Layout layout) {
        return new SectionFloors(architecture, Precision.FP32, 64, layout, 1e30, 1);
    }
}
