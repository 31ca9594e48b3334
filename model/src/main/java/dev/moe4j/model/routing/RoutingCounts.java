package dev.moe4j.model.routing;

import java.util.Arrays;

/**
 * Counts of a router's choices in a batch. They can be summed over parts of the batch. K choices of each token, E
 * experts.
 *
 * @param tokens the number of routed tokens
 * @param chosen the number of tokens that chose each expert, by rank of the choice, {@code [K][E]}
 * @param wanted the number of choices of each rank that requested a place, {@code [K]}
 * @param dropped the number of requested choices of each rank that found no place, {@code [K]}
 * @param kept the number of choices that found a place at each expert, {@code [E]}
 */
public record RoutingCounts(double tokens, double[][] chosen, double[] wanted, double[] dropped, double[] kept) {

    static RoutingCounts of(Assignment assignment) {
        int topK = assignment.topK();
        int experts = assignment.experts();
        double[][] chosen = new double[topK][experts];
        double[] wanted = new double[topK];
        double[] dropped = new double[topK];
        double[] kept = new double[experts];
        for (int choice = 0; choice < assignment.tokens() * topK; choice++) {
            int rank = choice % topK;
            chosen[rank][(int) assignment.expertOf()[choice]]++;
            if (assignment.wanted()[choice]) {
                wanted[rank]++;
                dropped[rank] += assignment.kept()[choice] ? 0 : 1;
            }
        }
        Arrays.setAll(kept, assignment::count);
        return new RoutingCounts(assignment.tokens(), chosen, wanted, dropped, kept);
    }

    /** The statistics that the published system reports. */
    public RoutingStatistics statistics() {
        int topK = wanted.length;
        int experts = kept.length;
        double[] overflow = new double[topK];
        double[] top = new double[topK];
        double[] bottom = new double[topK];
        int[] unused = new int[topK];
        int fifth = Math.max(1, Math.ceilDiv(experts, 5));
        for (int rank = 0; rank < topK; rank++) {
            double[] histogram = chosen[rank].clone();
            Arrays.sort(histogram);
            overflow[rank] = wanted[rank] == 0 ? 0 : 100 * dropped[rank] / wanted[rank];
            top[rank] = 100 * Arrays.stream(histogram, experts - fifth, experts).sum() / tokens;
            bottom[rank] = 100 * Arrays.stream(histogram, 0, fifth).sum() / tokens;
            unused[rank] = (int) Arrays.stream(histogram).filter(n -> n == 0).count();
        }
        double total = Arrays.stream(kept).sum();
        double[] load = Arrays.stream(kept)
                .map(count -> total == 0 ? 0 : count * experts / total)
                .toArray();
        return new RoutingStatistics(overflow, top, bottom, unused, load);
    }
}
