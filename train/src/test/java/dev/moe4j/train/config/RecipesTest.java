package dev.moe4j.train.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import dev.moe4j.config.ConfigException;
import dev.moe4j.config.ConfigReader;
import dev.moe4j.model.spec.Presets;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class RecipesTest {

    /** The study's table: peak rate, millions of tokens in a batch, dropout, weight decay, warm-up updates. */
    @ParameterizedTest
    @CsvSource({
        "dense-125m, 5e-3, 0.5, 0.1, 0.01, 715",
        "dense-355m, 3e-4, 0.5, 0, 0.01, 715",
        "dense-1.3b, 2e-4, 1, 0.1, 0.01, 357",
        "dense-2.7b, 1.6e-4, 1, 0.1, 0.01, 357",
        "dense-6.7b, 1.2e-4, 2, 0.1, 0.01, 187",
        "dense-13b, 1e-4, 2, 0.1, 0.01, 187",
        "moe-15b, 6e-4, 0.5, 0.1, 0.01, 750",
        "moe-52b, 3e-4, 0.5, 0, 0.01, 715",
        "moe-207b, 1.6e-4, 1, 0.1, 0, 2000",
        "moe-1.1t, 1.2e-4, 2, 0.1, 0.01, 187"
    })
    void publishedPresetsTrainAsPublished(
            String name, double rate, double batch, double dropout, double weightDecay, long warmup) {
        RunConfig run = RunConfig.preset(name);
        assertThat(run.optimizer())
                .isEqualTo(new OptimizerConfig(rate, 0.9, 0.98, 1e-8, weightDecay, UpdateConvention.PUBLISHED, 0));
        assertThat(run.schedule())
                .isEqualTo(new ScheduleConfig(
                        ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PUBLISHED, warmup, 0, 0, 1));
        assertThat(run.model().dropout()).isEqualTo(dropout);
        long tokens = (long) run.batch().sequences() * run.model().context();
        assertThat(tokens / 1e6).isCloseTo(batch, within(0.05 * batch));
        assertThat(run.batch().microBatch()).isEqualTo(8);
    }

    /** The rate rises from 0, reaches its peak after the warm-up, and is 0 after 300 billion tokens. */
    @Test
    void theRateIsThePublishedOne() {
        RunConfig run = RunConfig.preset("moe-52b");
        long updates = Math.round(300e9 / (run.batch().sequences() * 2048.0));
        assertThat(run.schedule().rate(3e-4, 1, updates)).isZero();
        assertThat(run.schedule().rate(3e-4, 716, updates)).isEqualTo(3e-4);
        assertThat(run.schedule().rate(3e-4, updates + 1, updates)).isZero();
    }

    @Test
    void sizesWithoutARowHaveTheNearest() {
        assertThat(RunConfig.preset("dense-760m").optimizer())
                .isEqualTo(RunConfig.preset("dense-1.3b").optimizer());
        assertThat(RunConfig.preset("dense-175b").optimizer())
                .isEqualTo(RunConfig.preset("dense-13b").optimizer());
    }

    @ParameterizedTest
    @CsvSource({
        "cpu-tiny-dense, 8, 2e-3, POLYNOMIAL",
        "cpu-tiny-moe, 8, 2e-3, POLYNOMIAL",
        "cpu-dense, 16, 2e-3, POLYNOMIAL",
        "cpu-moe128, 16, 2e-3, POLYNOMIAL",
        "quickstart-dense, 16, 3e-3, CONSTANT",
        "quickstart-moe, 16, 4e-3, CONSTANT"
    })
    void smallPresets(String name, int sequences, double rate, ScheduleConfig.Kind kind) {
        RunConfig run = RunConfig.preset(name);
        assertThat(run.batch()).isEqualTo(new BatchConfig(sequences, 1));
        assertThat(run.optimizer()).isEqualTo(OptimizerConfig.DEFAULT.withLearningRate(rate));
        assertThat(run.schedule().kind()).isEqualTo(kind);
        assertThat(run.schedule().warmup()).isEqualTo(50);
    }

    /** A new size must not silently get a small preset's recipe. */
    @ParameterizedTest
    @MethodSource("names")
    void everyLongContextHasItsRecipe(String name) {
        RunConfig run = RunConfig.preset(name);
        boolean modern = name.startsWith("modern-");
        boolean large = run.model().context() == 2048;
        assertThat(run.optimizer().convention() == UpdateConvention.PUBLISHED).isEqualTo(large && !modern);
        assertThat(run.batch().sequences() >= 256).isEqualTo(large);
        assertThat(run.architecture()).isEqualTo(Presets.architecture(name));
    }

    /** A file's values need to be valid only with its own preset. */
    @ParameterizedTest
    @CsvSource({
        "dense-125m, batch.accumulation=16, 'batch: {accumulation: 16}'",
        "moe-15b, routing.batch_prioritized=true, 'routing: {batch_prioritized: true}'",
        "dense-125m, model.heads=48, 'model: {heads: 48}'",
        "cpu-tiny-moe, model.heads=2, 'model: {heads: 2}'"
    })
    void aFileIsReadOverThePresetThatItNames(String preset, String key, String yaml, @TempDir Path folder)
            throws IOException {
        RunConfig expected = ConfigReader.read(RunConfig.preset(preset), null, List.of(key));
        Path file = Files.writeString(folder.resolve("run.yaml"), "preset: " + preset + "\n" + yaml + "\n");
        assertThat(RunConfig.read(file.toString(), List.of())).isEqualTo(expected);
        Path other = Files.writeString(folder.resolve("other.yaml"), "preset: cpu-dense\n" + yaml + "\n");
        assertThat(RunConfig.read(other.toString(), List.of("preset=" + preset)))
                .isEqualTo(expected);
    }

    @Test
    void aFileWithoutAPresetIsReadOverTheUsualOne(@TempDir Path folder) throws IOException {
        Path file = Files.writeString(folder.resolve("run.yaml"), "seed: 7\n");
        assertThat(RunConfig.read(file.toString(), List.of()))
                .isEqualTo(RunConfig.preset(RunConfig.DEFAULT_PRESET).withSeed(7));
        Path list = Files.writeString(folder.resolve("list.yaml"), "preset: [dense-125m]\n");
        assertThatThrownBy(() -> RunConfig.read(list.toString(), List.of()))
                .isInstanceOf(ConfigException.class)
                .hasMessageContaining("list.yaml:1")
                .hasMessageContaining("preset");
    }

    static Iterable<String> names() {
        return Presets.names();
    }
}
