package dev.moe4j.train.config;

/**
 * Dynamic loss scaling of an fp16 run; other precisions ignore it. Configuration keys are these names in snake case
 * under {@code loss_scale}.
 *
 * @param initial the first scale
 * @param growthInterval consecutive steps without overflow after which the scale doubles
 * @param minimum a scale below this ends the run
 */
public record LossScaleConfig(double initial, long growthInterval, double minimum) {

    public static final LossScaleConfig DEFAULT = new LossScaleConfig(65536, 2000, 1e-4);

    public LossScaleConfig {
        if (!(minimum > 0) || !(initial >= minimum) || Double.isInfinite(initial)) {
            throw new TrainException("loss_scale: minimum must be above 0 and initial must not be below it");
        }
        if (growthInterval < 1) {
            throw new TrainException("loss_scale.growth_interval: " + growthInterval + " is too small; use at least 1");
        }
    }
}
