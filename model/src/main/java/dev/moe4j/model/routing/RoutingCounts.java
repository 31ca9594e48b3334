package dev.moe4j.model.routing;

import java.util.Arrays;

/**
 * What a router did with a batch, in numbers that add up over parts of it. k choices of each token, E experts.
 *
 * @param tokens that were routed
 * @param chosen tokens whose choice of each rank each expert is, {@code [k][E]}
 * @param wanted choices of each rank that asked for a place, {@code [k]}
 * @param dropped those of them that found none, {@code [k]}
 * @param kept choices that found a place at each expert, {@code [E]}
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

    /** The published figures. */
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
