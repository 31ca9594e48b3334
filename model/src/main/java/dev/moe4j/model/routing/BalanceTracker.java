package dev.moe4j.model.routing;

import dev.moe4j.model.spec.ModelException;
import dev.moe4j.parallel.ProcessGroup;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The first-choice fractions of the whole previous step, which the global balance loss multiplies with this step's mean
 * probabilities. They carry no gradient, so that taking them from one step back makes the loss a plain sum over tokens.
 */
public final class BalanceTracker {

    private final ProcessGroup everyone;
    /** This step's so far, {@code [MoE layers, experts]} float64, where the model computes. */
    private final Tensor counts_LE;

    private final double[][] fractions;
    private @Nullable DeferredScalars noted;
    private boolean known;

    /**
     * @param scope owns the counts
     */
    public BalanceTracker(int moeLayers, int experts, ProcessGroup everyone, Device device, Scope scope) {
        this.everyone = everyone;
        this.fractions = new double[moeLayers][experts];
        try (Scope _ = Scope.open()) {
            counts_LE = scope.keep(Tensor.zeros(DType.FLOAT64, device, moeLayers, experts));
        }
    }

    /**
     * Counts first choices of a pass.
     *
     * @param first_GE {@code [groups, experts]} float64
     */
    public void add(int moeLayer, Tensor first_GE) {
        counts_LE.select(0, moeLayer).addInPlace(first_GE.sum(0));
    }

    /**
     * The step's counts, which {@link #endStep} takes; whoever has more to read at a step's end reads all at once.
     *
     * @param owner keeps them until they are read
     */
    public DeferredScalars count(Scope owner) {
        DeferredScalars counts = DeferredScalars.of(counts_LE, owner);
        noted = counts;
        return counts;
    }

    /** The previous step's fractions of a MoE layer; null in the first step, which takes its group's own. */
    public double @Nullable [] previous(int moeLayer) {
        return known ? fractions[moeLayer] : null;
    }

    /** Ends a step: what was counted by all processes becomes the previous step's. */
    public void endStep() {
        known = true;
        if (fractions.length == 0) {
            return;
        }
        double[] counts = noted == null ? counts_LE.toDoubles() : noted.values();
        noted = null;
        counts_LE.zero();
        double[] sums = everyone.sum(counts, "first choices of the step");
        int experts = fractions[0].length;
        for (int layer = 0; layer < fractions.length; layer++) {
            double[] own = Arrays.copyOfRange(sums, layer * experts, (layer + 1) * experts);
            double total = Arrays.stream(own).sum();
            Arrays.setAll(fractions[layer], e -> total == 0 ? 0 : own[e] / total);
        }
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
