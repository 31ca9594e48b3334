package dev.moe4j.model.routing;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.DeferredScalars;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Tape;
import java.nio.DoubleBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A router's figures as deferred scalars on its device. They hold the load balancing loss without its coefficient, the
 * sums from which the entropy follows, and the first choices {@code [E]}. If the device made the assignment, they also
 * hold the choices of each rank {@code [K, E]} and the numbers of filled rows {@code [E]}. E experts, K choices of each
 * token.
 */
public final class RoutingFigures {

    private final DeferredScalars scalars;
    private final int tokens;
    private final int topK;
    private final int experts;
    /** The counts, if the host made the assignment; null if the device did. */
    private final @Nullable RoutingCounts known;

    private RoutingFigures(DeferredScalars scalars, int tokens, int topK, int experts, @Nullable RoutingCounts known) {
        this.scalars = scalars;
        this.tokens = tokens;
        this.topK = topK;
        this.experts = experts;
        this.known = known;
    }

    /**
     * Records the figures of an assignment made by the host.
     *
     * @param logits_TE the logits of all tokens that the router saw, detached from the graph, like their softmax
     */
    static RoutingFigures of(
            Tape tape, Tensor balance, Tensor logits_TE, Tensor p_TE, Tensor first_GE, RoutingCounts known) {
        Tensor scalars = scalars(balance, logits_TE, p_TE, first_GE);
        return new RoutingFigures(
                tape.note(scalars), (int) logits_TE.size(0), known.wanted().length, (int) logits_TE.size(1), known);
    }

    /** Records the figures of an assignment made by the device. */
    static RoutingFigures of(
            Tape tape, Tensor balance, Tensor logits_TE, Tensor p_TE, Tensor first_GE, DeviceAssignment made) {
        Device device = logits_TE.device();
        int tokens = (int) logits_TE.size(0);
        int experts = (int) logits_TE.size(1);
        int topK = (int) made.experts_TK().size(1);
        long choices = (long) tokens * topK;
        Tensor ranks_K = Tensor.arange(topK, device).mul(experts);
        Tensor chosen_KE = Tensor.zeros(DType.FLOAT64, device, (long) topK * experts)
                .scatterAddInPlace(
                        0,
                        made.experts_TK().add(ranks_K).view(choices),
                        Tensor.full(1, DType.FLOAT64, device, choices));
        Tensor all = Tensor.concat(
                0,
                scalars(balance, logits_TE, p_TE, first_GE),
                chosen_KE,
                made.counts_E().to(DType.FLOAT64));
        return new RoutingFigures(tape.note(all), tokens, topK, experts, null);
    }

    private static Tensor scalars(Tensor balance, Tensor logits_TE, Tensor p_TE, Tensor first_GE) {
        return Tensor.concat(
                0,
                number(balance),
                number(logits_TE.logSumExp(-1).mean()),
                number(p_TE.mul(logits_TE).sum()),
                first_GE.sum(0));
    }

    private static Tensor number(Tensor scalar) {
        return scalar.detach().to(DType.FLOAT64).view(1);
    }

    public DeferredScalars scalars() {
        return scalars;
    }

    /** The routing report of a layer. Reads the figures from the device if nothing has read them yet. */
    public LayerRouting read(int layer) {
        DoubleBuffer values = DoubleBuffer.wrap(scalars.values());
        double balance = values.get();
        // −Σ p · log p = log-sum-exp − Σ p · logit, averaged over tokens.
        double entropy = values.get() - values.get() / tokens;
        double[] firstChoices = next(values, experts);
        RoutingCounts counts = known == null ? counts(values) : known;
        return new LayerRouting(layer, balance, entropy, firstChoices, counts);
    }

    private RoutingCounts counts(DoubleBuffer values) {
        double[][] chosen = new double[topK][];
        Arrays.setAll(chosen, _ -> next(values, experts));
        double[] kept = next(values, experts);
        double[] wanted = new double[topK];
        Arrays.fill(wanted, Arrays.stream(kept).sum() / topK); // a token keeps either all its choices or none
        return new RoutingCounts(tokens, chosen, wanted, new double[topK], kept);
    }

    private static double[] next(DoubleBuffer from, int count) {
        double[] values = new double[count];
        from.get(values);
        return values;
    }
}
