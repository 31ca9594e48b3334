package dev.moe4j.train.config;

/**
 * What a run looks out for. Configuration keys are these names in snake case under {@code watch}.
 *
 * @param lossSpike a step whose loss is this many nats above the running mean makes no update; 0 lets all pass
 * @param gradientSpike a step whose gradient norm is more than this multiple of the running mean makes no update; 0
 *     lets all pass
 * @param imbalance warns of layers where an expert takes more than this multiple of an even share; 0 never warns
 * @param window steps over which experts are watched, for that and for those that take no token at all; 0 watches none
 */
public record WatchConfig(double lossSpike, double gradientSpike, double imbalance, int window) {

    public static final WatchConfig DEFAULT = new WatchConfig(0, 0, 4, 100);

    public WatchConfig {
        if (!(lossSpike >= 0) || !(gradientSpike >= 0) || !(imbalance >= 0) || window < 0) {
            throw new TrainException("watch: loss_spike, gradient_spike, imbalance and window must not be negative");
        }
    }
}
