package dev.moe4j.model;

import java.util.Arrays;

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
        double[] overflow, double[] balanceTop, double[] balanceBottom, int[] unused, double[] load) {

    static RoutingStatistics of(Assignment assignment) {
        int topK = assignment.topK();
        int experts = assignment.experts();
        int tokens = assignment.tokens();
        double[] overflow = new double[topK];
        double[] top = new double[topK];
        double[] bottom = new double[topK];
        int[] unused = new int[topK];
        int fifth = Math.max(1, Math.ceilDiv(experts, 5));
        for (int rank = 0; rank < topK; rank++) {
            long[] histogram = new long[experts];
            long wanted = 0;
            long dropped = 0;
            for (int choice = rank; choice < tokens * topK; choice += topK) {
                histogram[(int) assignment.expertOf()[choice]]++;
                if (assignment.wanted()[choice]) {
                    wanted++;
                    dropped += assignment.kept()[choice] ? 0 : 1;
                }
            }
            Arrays.sort(histogram);
            overflow[rank] = wanted == 0 ? 0 : 100.0 * dropped / wanted;
            top[rank] =
                    100.0 * Arrays.stream(histogram, experts - fifth, experts).sum() / tokens;
            bottom[rank] = 100.0 * Arrays.stream(histogram, 0, fifth).sum() / tokens;
            unused[rank] = (int) Arrays.stream(histogram).filter(n -> n == 0).count();
        }
        double[] load = new double[experts];
        double total = 0;
        for (int e = 0; e < experts; e++) {
            total += assignment.count(e);
        }
        for (int e = 0; e < experts; e++) {
            load[e] = total == 0 ? 0 : assignment.count(e) * experts / total;
        }
        return new RoutingStatistics(overflow, top, bottom, unused, load);
    }
}
