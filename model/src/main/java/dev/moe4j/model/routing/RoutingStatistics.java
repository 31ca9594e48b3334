package dev.moe4j.model.routing;

/**
 * Statistics of a router's choices in a batch, under the published system's names.
 *
 * @param overflow for each rank, the percentage of requested choices that found no place; 0 if none was requested
 * @param balanceTop for each rank, the percentage of tokens that chose an expert among the most used fifth
 * @param balanceBottom for each rank, the percentage of tokens that chose an expert among the least used fifth
 * @param unused for each rank, the number of experts that no token chose
 * @param load each expert's kept choices relative to an even load, {@code [experts]}
 */
public record RoutingStatistics(
        double[] overflow, double[] balanceTop, double[] balanceBottom, int[] unused, double[] load) {}
