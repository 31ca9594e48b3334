package dev.moe4j.train.config;

/**
 * The AdamW optimizer: Adam with decoupled weight decay. Configuration keys are these names in snake case under {@code
 * optimizer}.
 *
 * @param learningRate the peak of the schedule
 * @param beta1 decay rate of the first moment
 * @param beta2 decay rate of the second moment
 * @param epsilon added to the root of the second moment
 * @param weightDecay decoupled weight decay, multiplied by the learning rate
 * @param convention {@link UpdateConvention#PLAIN}: AdamW. ε is added after the second moment's bias correction, and only
 *     matrices decay. {@link UpdateConvention#PUBLISHED}: ε is added before it, biases and layer norms decay too, and
 *     gradients are scaled by clip / (norm + 10⁻⁶)
 * @param clip the largest global gradient norm; larger gradients are scaled down to it. 0 never clips
 */
public record OptimizerConfig(
        double learningRate,
        double beta1,
        double beta2,
        double epsilon,
        double weightDecay,
        UpdateConvention convention,
        double clip) {

    public static final OptimizerConfig DEFAULT =
            new OptimizerConfig(2e-3, 0.9, 0.98, 1e-8, 0.01, UpdateConvention.PLAIN, 1.0);

    public OptimizerConfig {
        if (!(learningRate > 0) || !(epsilon > 0)) {
            throw new TrainException("optimizer: learning_rate and epsilon must be above 0");
        }
        if (!(beta1 >= 0 && beta1 < 1 && beta2 >= 0 && beta2 < 1)) {
            throw new TrainException("optimizer: beta1 and beta2 must be at least 0 and below 1");
        }
        if (!(weightDecay >= 0) || !(clip >= 0)) {
            throw new TrainException("optimizer: weight_decay and clip must not be negative");
        }
    }

    public OptimizerConfig withLearningRate(double rate) {
        return new OptimizerConfig(rate, beta1, beta2, epsilon, weightDecay, convention, clip);
    }
}
