package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tensor;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The router of one layer: logits, assignment, weights and balance losses. Input: h [tokens, model]. Outputs, in the
 * stable type: the weights [tokens, k], 0 where a choice was dropped; the balance loss and the z-loss, each already
 * multiplied by its coefficient, as scalars that backward starts from. Computes in float32 at least. Run again for
 * backward, it keeps its assignment.
 *
 * <p>A short batch may be filled up with masked tokens of zeros, whose logits are zero since routers have no bias:
 * capacity, balance loss and statistics count them, and nothing else sees them.
 */
final class RouteSection implements Section.Derived {

    private final String name;
    private final Parameter gate;
    private final Routing routing;
    private final boolean normalizeBeforeDropping;
    private final Setting setting;
    private @Nullable Assignment decided;
    private @Nullable Assignment assignment;
    private @Nullable RoutingCounts counts;
    private double balance;
    private double entropy;
    private double[] firstChoices = {};

    /**
     * What a pass decides.
     *
     * @param groups routing groups in the batch
     * @param padding whether each token is masked padding; null where none is
     * @param fill masked tokens of zeros that fill the batch up
     * @param training whether capacity is that of training
     * @param noise for policies that draw
     * @param fractions the first-choice fractions of the whole previous step {@code [experts]}; null to take the
     *     group's own
     * @param balanceCoefficient of the balance loss in the root
     * @param zCoefficient of the z-loss in the root
     */
    record Setting(
            int groups,
            boolean @Nullable [] padding,
            int fill,
            boolean training,
            Routing.Noise noise,
            double @Nullable [] fractions,
            double balanceCoefficient,
            double zCoefficient) {

        /** The most rows that an expert can get from all groups. */
        int places(Assignment assignment) {
            return Math.toIntExact(Math.min(assignment.capacity(), assignment.tokens() / groups) * groups);
        }
    }

    RouteSection(String name, Parameter gate, RoutingConfig config, Setting setting) {
        this.name = name;
        this.gate = gate;
        this.routing = Routing.of(config);
        this.normalizeBeforeDropping = config.normalizeBeforeDropping();
        this.setting = setting;
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public List<Parameter> parameters() {
        return List.of(gate);
    }

    @Override
    public Tensor[] forward(Tensor... inputs) {
        Tensor h_TD = inputs[0];
        Tensor weight_ED = gate.tensor();
        return route(Functions.linear(h_TD.to(weight_ED.dtype()), weight_ED));
    }

    /** Everything after the logits {@code [tokens, experts]}. */
    Tensor[] route(Tensor given_TE) {
        int tokens = (int) given_TE.size(0);
        int experts = (int) given_TE.size(1);
        Tensor logits_TE = setting.fill() == 0
                ? given_TE
                : Tensor.concat(
                        0, given_TE, Tensor.zeros(given_TE.dtype(), given_TE.device(), setting.fill(), experts));
        Tensor p_TE = logits_TE.softmax(-1);
        boolean[] padding = padding(tokens);
        Assignment chosen = decided;
        if (chosen == null) {
            chosen = routing.assign(new Routing.Request(
                    logits_TE.toDoubles(),
                    p_TE::toDoubles,
                    experts,
                    setting.groups(),
                    padding,
                    setting.training(),
                    setting.fill() == 0 ? setting.noise() : filled(setting.noise(), tokens, experts)));
            decided = chosen;
            assignment = setting.fill() == 0 ? chosen : chosen.first(tokens);
            counts = RoutingCounts.of(chosen);
            entropy = entropy(logits_TE.detach(), p_TE.detach());
        }
        Tensor balance_ = balanceLoss(p_TE, chosen, padding);
        balance = balance_.item();
        Tensor z = setting.zCoefficient() == 0
                ? Tensor.zeros(p_TE.dtype(), p_TE.device())
                : given_TE.logSumExp(-1).square().mean().mul(setting.zCoefficient());
        Tensor weights_TK = weights(p_TE, chosen).narrow(0, 0, tokens);
        return new Tensor[] {weights_TK, balance_.mul(setting.balanceCoefficient()), z};
    }

    /** Whether each token is masked, those that fill the batch up included. */
    private boolean @Nullable [] padding(int tokens) {
        boolean[] given = setting.padding();
        if (setting.fill() == 0) {
            return given;
        }
        boolean[] all =
                given == null ? new boolean[tokens + setting.fill()] : Arrays.copyOf(given, tokens + setting.fill());
        Arrays.fill(all, tokens, all.length, true);
        return all;
    }

    /** The noise of the given tokens, and none for those that fill the batch up. */
    private static Routing.Noise filled(Routing.Noise noise, int tokens, int experts) {
        return new Routing.Noise() {
            @Override
            public double[] gumbel(int count) {
                return Arrays.copyOf(noise.gumbel(tokens * experts), count);
            }

            @Override
            public double[] uniform(int count) {
                return Arrays.copyOf(noise.uniform(tokens), count);
            }
        };
    }

    /** The weights {@code [tokens, k]} with which the experts' outputs are combined. */
    private Tensor weights(Tensor p_TE, Assignment chosen) {
        int k = chosen.topK();
        Device device = p_TE.device();
        Tensor experts_TK = Tensor.of(chosen.expertOf()).view(-1, k).to(device);
        Tensor gates_TK = p_TE.gather(1, experts_TK);
        Tensor kept_TK = Routes.mask(chosen.kept(), p_TE.dtype(), device).view(-1, k);
        Tensor live_TK = gates_TK.mul(kept_TK);
        if (k == 1) {
            return live_TK;
        }
        Tensor total_T1 = (normalizeBeforeDropping ? gates_TK : live_TK)
                .sum(-1)
                .unsqueeze(-1)
                .clampMin(epsilon(p_TE.dtype()));
        return live_TK.div(total_T1);
    }

    private static double epsilon(DType type) {
        return type == DType.FLOAT64 ? Math.ulp(1.0) : Math.ulp(1f);
    }

    /** E · Σ_e (fraction of first choices) · (mean probability), averaged over groups. */
    private Tensor balanceLoss(Tensor p_TE, Assignment chosen, boolean @Nullable [] padding) {
        int experts = chosen.experts();
        int groups = setting.fractions() == null ? setting.groups() : 1;
        int groupTokens = chosen.tokens() / groups;
        double[] counts = new double[groups * experts];
        for (int token = 0; token < chosen.tokens(); token++) {
            int choice = token * chosen.topK();
            if (padding == null || !padding[token]) {
                counts[token / groupTokens * experts + (int) chosen.expertOf()[choice]]++;
            }
        }
        firstChoices = new double[experts];
        for (int i = 0; i < counts.length; i++) {
            firstChoices[i % experts] += counts[i];
        }
        double[] fractions = setting.fractions();
        if (fractions == null) {
            fractions = Arrays.stream(counts).map(n -> n / groupTokens).toArray();
        }
        Tensor fractions_GE =
                Tensor.of(fractions).view(groups, experts).to(p_TE.dtype()).to(p_TE.device());
        Tensor mean_GE = p_TE.view(groups, groupTokens, experts).mean(1);
        return mean_GE.mul(fractions_GE).sum().mul((double) experts / groups);
    }

    /** −Σ p · log p = log-sum-exp − Σ p · logit, in the mean over tokens. */
    private static double entropy(Tensor logits_TE, Tensor p_TE) {
        return logits_TE.logSumExp(-1).mean().item() - p_TE.mul(logits_TE).sum().item() / (double) logits_TE.size(0);
    }

    Assignment assignment() {
        if (assignment == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return assignment;
    }

    /** What the router did. */
    RoutingCounts counts() {
        if (counts == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return counts;
    }

    /** The balance loss without its coefficient; 1 for perfect balance. */
    double balance() {
        return balance;
    }

    /** The mean entropy of the tokens' distributions over experts, in nats. */
    double entropy() {
        return entropy;
    }

    /** How many tokens have each expert as their first choice, {@code [experts]}. */
    double[] firstChoices() {
        return firstChoices;
    }
}
