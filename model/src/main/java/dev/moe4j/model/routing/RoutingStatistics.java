package dev.moe4j.model.routing;

/**
 * What a router did with a batch, under the published system's names.
 *
 * @param overflow for each rank of choice, the percentage of wanted choices that found no place; 0 where none is wanted
 * @param balanceTop for each rank, the percentage of tokens whose choice is among the most used fifth of experts
 * @param balanceBottom likewise the least used fifth
 * @param unused for each rank, experts that nobody chose
 * @param load each expert's kept choices as a multiple of an even share, {@code [experts]}
 */
public record RoutingStatistics(
        double[] overflow, double[] balanceTop, double[] balanceBottom, int[] unused, double[] load) {}
