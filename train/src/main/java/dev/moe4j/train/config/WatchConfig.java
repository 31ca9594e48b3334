package dev.moe4j.train.config;

/**
 * Detection of loss spikes and of unused or overloaded experts. Configuration keys are these names in snake case under
 * {@code watch}.
 *
 * @param lossSpike a step whose loss is this many nats above the running mean is skipped; 0 disables the check
 * @param gradientSpike a step whose gradient norm is more than this multiple of the running mean is skipped; 0 disables
 *     the check
 * @param imbalance warns of layers where an expert receives more than this multiple of an even share; 0 never warns
 * @param window steps over which expert load is averaged, both for {@code imbalance} and for experts without tokens; 0
 *     disables both
 */
public record WatchConfig(double lossSpike, double gradientSpike, double imbalance, int window) {

    public static final WatchConfig DEFAULT = new WatchConfig(0, 0, 4, 100);

    public WatchConfig {
        if (!(lossSpike >= 0) || !(gradientSpike >= 0) || !(imbalance >= 0) || window < 0) {
            throw new TrainException("watch: loss_spike, gradient_spike, imbalance and window must not be negative");
        }
    }
}
