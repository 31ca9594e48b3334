package dev.moe4j.train.config;

import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.Presets;
import dev.moe4j.model.spec.Recompute;
import java.util.Map;

/**
 * The training recipe of each preset: optimizer, schedule and batch. Dropout belongs to the preset's architecture.
 *
 * <p>The published recipes (Artetxe et al. 2021, appendix) use Adam with β 0.9 and 0.98 and ε 1e-8 in the published
 * convention, weight decay on all parameters and no clipping. The learning rate rises linearly, then falls linearly to 0
 * at the last update. The published models trained on 300 billion tokens. Batches are given in millions of tokens, read
 * here as 2²⁰: the warm-up of 715 updates of 0.5M then covers GPT-3's 375 million tokens. A batch is split into
 * micro-batches of 8 sequences.
 *
 * <p>The learning rate of 5e-3 for dense-125m is the study's value. 1e-3 is reported stable, and later practice uses
 * 5e-4. The study leaves out recipes for dense-760m and dense-175b. They use the recipes of the nearest sizes, 1.3b and 13b.
 * (GPT-3 used 2.5e-4 with 0.5M tokens and 0.6e-4 with 3.2M: Brown et al. 2020, table 2.1.)
 *
 * <p>The small presets use AdamW with a rate of 2e-3 that falls linearly to 0 after 50 warm-up updates. The quickstart's
 * presets keep a constant rate, so that cost can be read along their learning curves. docs/log.md has the measurement of
 * both rates.
 */
final class Recipes {

    private static final int MICRO_BATCH = 8;
    private static final long MEGA = 1 << 20;

    private static final double NO_CLIPPING = 0;

    private static final Map<String, Recipe> PUBLISHED = Map.ofEntries(
            Map.entry("dense-125m", published(5e-3, 0.5, 0.01, 715)),
            Map.entry("dense-355m", published(3e-4, 0.5, 0.01, 715)),
            Map.entry("dense-760m", published(2e-4, 1, 0.01, 357)),
            Map.entry("dense-1.3b", published(2e-4, 1, 0.01, 357)),
            Map.entry("dense-2.7b", published(1.6e-4, 1, 0.01, 357)),
            Map.entry("dense-6.7b", published(1.2e-4, 2, 0.01, 187)),
            Map.entry("dense-13b", published(1e-4, 2, 0.01, 187)),
            Map.entry("dense-175b", published(1e-4, 2, 0.01, 187)),
            Map.entry("moe-15b", published(6e-4, 0.5, 0.01, 750)),
            Map.entry("moe-52b", published(3e-4, 0.5, 0.01, 715)),
            Map.entry("moe-207b", published(1.6e-4, 1, 0, 2000)),
            Map.entry("moe-1.1t", published(1.2e-4, 2, 0.01, 187)));

    private static final Map<String, Recipe> QUICKSTART =
            Map.of("quickstart-dense", quickstart(3e-3), "quickstart-moe", quickstart(4e-3));

    private static final Map<String, Recipe> MODERN = Map.of(
            "modern-dense-80m", modern(1e-3),
            "modern-dense-200m", modern(8e-4),
            "modern-dense-1b", modern(4e-4),
            "modern-moe-400m-a80m", modern(1e-3),
            "modern-moe-1b-a200m", modern(8e-4),
            "modern-moe-7b-a1b", modern(4e-4));

    private static final Recipe TINY =
            new Recipe(OptimizerConfig.DEFAULT, ScheduleConfig.DEFAULT, new BatchConfig(8, 1));

    private static final Recipe SMALL =
            new Recipe(OptimizerConfig.DEFAULT, ScheduleConfig.DEFAULT, new BatchConfig(16, 1));

    private Recipes() {}

    /** The training part of a run's configuration. */
    record Recipe(OptimizerConfig optimizer, ScheduleConfig schedule, BatchConfig batch) {}

    /**
     * The run configuration of a preset.
     *
     * @throws dev.moe4j.model.spec.ModelException if no preset has this name
     */
    static RunConfig run(String preset) {
        Architecture architecture = Presets.architecture(preset);
        Recipe recipe = recipe(preset);
        return new RunConfig(
                preset,
                architecture.model().withVocabulary(ModelConfig.OF_TOKENIZER),
                architecture.routing(),
                architecture.balance(),
                recipe.optimizer(),
                recipe.schedule(),
                recipe.batch(),
                DataConfig.DEFAULT,
                ParallelConfig.DEFAULT,
                new LogConfig(10),
                CheckpointPolicy.DEFAULT,
                EvaluationConfig.NONE,
                WatchConfig.DEFAULT,
                RunConfig.AUTO,
                LossScaleConfig.DEFAULT,
                Recompute.NONE,
                1);
    }

    private static Recipe recipe(String preset) {
        Recipe published = PUBLISHED.get(preset);
        if (published != null) {
            return published;
        }
        Recipe quickstart = QUICKSTART.get(preset);
        if (quickstart != null) {
            return quickstart;
        }
        Recipe modern = MODERN.get(preset);
        if (modern != null) {
            return modern;
        }
        return preset.startsWith("cpu-tiny-") ? TINY : SMALL;
    }

    /** 256 sequences of 2048 tokens per update. The rates follow OLMoE's and are not measured here. */
    private static Recipe modern(double rate) {
        return new Recipe(
                OptimizerConfig.DEFAULT.withLearningRate(rate),
                ScheduleConfig.DEFAULT,
                new BatchConfig(256, 256 / MICRO_BATCH));
    }

    private static Recipe quickstart(double rate) {
        return new Recipe(
                OptimizerConfig.DEFAULT.withLearningRate(rate), ScheduleConfig.constant(50), new BatchConfig(16, 1));
    }

    /**
     * A row of the study's table of recipes.
     *
     * @param rate the peak learning rate
     * @param batch millions of tokens per update, in sequences of 2048
     * @param warmup warm-up updates
     */
    private static Recipe published(double rate, double batch, double weightDecay, long warmup) {
        int sequences = (int) Math.round(batch * MEGA / 2048);
        return new Recipe(
                new OptimizerConfig(rate, 0.9, 0.98, 1e-8, weightDecay, UpdateConvention.PUBLISHED, NO_CLIPPING),
                new ScheduleConfig(ScheduleConfig.Kind.POLYNOMIAL, UpdateConvention.PUBLISHED, warmup, 0, 0, 1),
                new BatchConfig(sequences, sequences / MICRO_BATCH));
    }
}
