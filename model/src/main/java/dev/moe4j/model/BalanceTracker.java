package dev.moe4j.model;

import dev.moe4j.parallel.Group;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The first-choice fractions of the whole previous step, which the global balance loss multiplies with this step's mean
 * probabilities. They carry no gradient, so that taking them from one step back makes the loss a plain sum over tokens.
 */
public final class BalanceTracker {

    private final Group everyone;
    private final double[][] counts;
    private final double[][] fractions;
    private boolean known;

    BalanceTracker(int moeLayers, int experts, Group everyone) {
        this.everyone = everyone;
        this.counts = new double[moeLayers][experts];
        this.fractions = new double[moeLayers][experts];
    }

    void add(int moeLayer, double[] firstChoices) {
        for (int e = 0; e < firstChoices.length; e++) {
            counts[moeLayer][e] += firstChoices[e];
        }
    }

    /** The previous step's fractions of a MoE layer; null in the first step, which takes its group's own. */
    double @Nullable [] previous(int moeLayer) {
        return known ? fractions[moeLayer] : null;
    }

    /** Ends a step: what was counted by all processes becomes the previous step's. */
    public void endStep() {
        if (everyone.members().size() > 1 && counts.length > 0) {
            int experts = counts[0].length;
            double[] sums = everyone.sum(
                    Arrays.stream(counts).flatMapToDouble(Arrays::stream).toArray(), "first choices of the step");
            for (int layer = 0; layer < counts.length; layer++) {
                System.arraycopy(sums, layer * experts, counts[layer], 0, experts);
            }
        }
        for (int layer = 0; layer < counts.length; layer++) {
            double total = Arrays.stream(counts[layer]).sum();
            for (int e = 0; e < counts[layer].length; e++) {
                fractions[layer][e] = total == 0 ? 0 : counts[layer][e] / total;
            }
            Arrays.fill(counts[layer], 0);
        }
        known = true;
    }

    /** The previous step's fractions, {@code [MoE layers][experts]}; empty before the end of the first step. */
    public List<List<Double>> state() {
        return known
                ? Arrays.stream(fractions)
                        .map(layer -> Arrays.stream(layer).boxed().toList())
                        .toList()
                : List.of();
    }

    /**
     * Goes on from an earlier {@link #state}.
     *
     * @throws ModelException if it is of another number of layers or experts
     */
    public void restore(List<List<Double>> state) {
        if (!state.isEmpty()
                && (state.size() != fractions.length
                        || state.stream().anyMatch(layer -> layer.size() != fractions[0].length))) {
            throw new ModelException("the checkpoint's balance is of " + state.size() + " layers, and the model has "
                    + fractions.length + " with other experts");
        }
        known = !state.isEmpty();
        for (int layer = 0; layer < state.size(); layer++) {
            List<Double> stored = state.get(layer);
            Arrays.setAll(fractions[layer], stored::get);
        }
    }
}
