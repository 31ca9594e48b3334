package dev.moe4j.report.statistics;

import java.util.Arrays;
import java.util.List;

/**
 * The expert load of one MoE layer.
 *
 * @param layer 0-based index of the Transformer block
 * @param shares each expert's share of the layer's token assignments; they sum to 1
 */
public record LayerLoad(int layer, List<Double> shares) {
    public LayerLoad {
        shares = List.copyOf(shares);
        double sum = 0;
        for (double share : shares) {
            if (!(share >= 0)) {
                throw new IllegalArgumentException("An expert's share cannot be " + share);
            }
            sum += share;
        }
        if (!(Math.abs(sum - 1) < 1e-3)) {
            throw new IllegalArgumentException(
                    "The shares of layer " + layer + "'s " + shares.size() + " experts must sum to 1, not " + sum);
        }
    }

    /**
     * Normalizes token counts, or shares with any sum.
     *
     * @throws IllegalArgumentException if all loads are 0
     */
    public static LayerLoad of(int layer, double[] loads) {
        double sum = Arrays.stream(loads).sum();
        return new LayerLoad(
                layer, Arrays.stream(loads).map(load -> load / sum).boxed().toList());
    }
}
