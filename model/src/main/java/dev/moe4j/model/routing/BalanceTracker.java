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
 * Tracks the fraction of tokens whose first choice is each expert, over complete steps. The global load balancing loss
 * multiplies the previous step's fractions by this step's mean probabilities. The fractions carry no gradient. Taking
 * them from the previous step makes the loss a plain sum over tokens, however the step is divided into micro-batches
 * and processes.
 */
public final class BalanceTracker {

    private final ProcessGroup everyone;
    /** This step's counts so far, {@code [MoE layers, experts]} float64, on the model's device. */
    private final Tensor counts_LE;

    private final double[][] fractions;
    private @Nullable DeferredScalars deferredCounts;
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
     * Adds the first choices of one pass.
     *
     * @param first_GE {@code [groups, experts]} float64
     */
    public void add(int moeLayer, Tensor first_GE) {
        counts_LE.select(0, moeLayer).addInPlace(first_GE.sum(0));
    }

    /**
     * The step's counts as deferred scalars, which {@link #endStep} uses. A caller with more deferred scalars should
     * read all of them in one call.
     *
     * @param owner keeps them until they are read
     */
    public DeferredScalars count(Scope owner) {
        DeferredScalars counts = DeferredScalars.of(counts_LE, owner);
        deferredCounts = counts;
        return counts;
    }

    /**
     * The previous step's fractions for a MoE layer, {@code [experts]}; null in the first step, which uses the routing
     * group's own.
     */
    public double @Nullable [] previous(int moeLayer) {
        return known ? fractions[moeLayer] : null;
    }

    /**
     * Ends a step: sums the counts over all processes and makes them the previous step's fractions. All processes must
     * call this.
     */
    public void endStep() {
        known = true;
        if (fractions.length == 0) {
            return;
        }
        double[] counts = deferredCounts == null ? counts_LE.toDoubles() : deferredCounts.values();
        deferredCounts = null;
        counts_LE.zero();
        double[] sums = everyone.sum(counts, "first choices of the step");
        int experts = fractions[0].length;
        for (int layer = 0; layer < fractions.length; layer++) {
            double[] own = Arrays.copyOfRange(sums, layer * experts, (layer + 1) * experts);
            double total = Arrays.stream(own).sum();
            Arrays.setAll(fractions[layer], e -> total == 0 ? 0 : own[e] / total);
        }
    }

    /**
     * The previous step's fractions, {@code [MoE layers][experts]}, for a checkpoint; empty before the end of the first
     * step.
     */
    public List<List<Double>> state() {
        return known
                ? Arrays.stream(fractions)
                        .map(layer -> Arrays.stream(layer).boxed().toList())
                        .toList()
                : List.of();
    }

    /**
     * Restores a {@link #state} from a checkpoint.
     *
     * @throws ModelException if the state has another number of layers or experts
     */
    public void restore(List<List<Double>> state) {
        if (!state.isEmpty()
                && (state.size() != fractions.length
                        || state.stream().anyMatch(layer -> layer.size() != fractions[0].length))) {
            throw new ModelException("the checkpoint's balance state has " + state.size() + " MoE layers of "
                    + state.getFirst().size() + " experts, but the model has " + fractions.length + " of "
                    + (fractions.length == 0 ? 0 : fractions[0].length));
        }
        known = !state.isEmpty();
        for (int layer = 0; layer < state.size(); layer++) {
            List<Double> stored = state.get(layer);
            Arrays.setAll(fractions[layer], stored::get);
        }
    }
}
