package dev.moe4j.model.routing;

import dev.moe4j.model.block.Logits;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The router of one layer: logits, assignment, weights and balance losses. Input: h [tokens, model]. Outputs, in the
 * stable type: the weights [tokens, k], 0 where a choice was dropped; the balance loss and the z-loss, each already
 * multiplied by its coefficient, as scalars that backward starts from. Where nobody asks for losses, the weights alone.
 * Computes in float32 at least. Run again for backward, it keeps its assignment.
 *
 * <p>A short batch may be filled up with masked tokens of zeros, whose logits are zero since routers have no bias:
 * capacity, balance loss and statistics count them, and nothing else sees them.
 */
public final class RouteSection implements Section.Derived {

    private final String name;
    private final Parameter gate;
    private final Routing routing;
    private final boolean normalizeBeforeDropping;
    private final Setting setting;
    private final Tape tape;
    private final @Nullable Kernels kernels;
    private @Nullable Choices decided;
    private @Nullable Assignment assignment;
    private @Nullable RoutingCounts counts;
    private @Nullable DeviceAssignment deviceAssignment;
    private @Nullable RoutingFigures figures;

    /**
     * What is decided once and kept for backward, on the tape. G groups.
     *
     * @param experts_TK each choice's expert, int64
     * @param kept_TK 1 where the choice has a place, else 0, in the type of probabilities
     * @param first_GE tokens of each group whose first choice each expert is, padding left out, float64
     */
    private record Choices(Tensor experts_TK, Tensor kept_TK, Tensor first_GE) {}

    /**
     * What a pass decides.
     *
     * @param groups routing groups in the batch
     * @param padding whether each token is masked padding; null where none is
     * @param present whether there is a token at each position: where there is none there are no losses either; null where
     *     there is one at all
     * @param fill masked tokens of zeros that fill the batch up
     * @param training whether capacity is that of training
     * @param noise for policies that draw
     * @param fractions the first-choice fractions of the whole previous step {@code [experts]}; null to take the
     *     group's own
     * @param balanceCoefficient of the balance loss in the root
     * @param zCoefficient of the z-loss in the root
     * @param onDevice whether the device makes the assignment, which must be dropless
     * @param inTurns whether tokens are dealt out to experts in turns, whatever the logits
     * @param measured whether losses and figures are wanted
     */
    public record Setting(
            int groups,
            boolean @Nullable [] padding,
            boolean @Nullable [] present,
            int fill,
            boolean training,
            Routing.Noise noise,
            double @Nullable [] fractions,
            double balanceCoefficient,
            double zCoefficient,
            boolean onDevice,
            boolean inTurns,
            boolean measured) {

        /** The most rows that an expert can get from all groups. */
        public int places(Assignment assignment) {
            return Math.toIntExact(Math.min(assignment.capacity(), assignment.tokens() / groups) * groups);
        }
    }

    /**
     * @param tape owns what is decided
     * @param kernels for an assignment on the device; null for operators of libtorch
     */
    public RouteSection(
            String name, Parameter gate, RoutingConfig config, Setting setting, Tape tape, @Nullable Kernels kernels) {
        this.kernels = kernels;
        this.name = name;
        this.tape = tape;
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
        Choices chosen = decided;
        if (chosen == null) {
            Tensor decisive_TE = setting.inTurns() ? turns(logits_TE) : logits_TE.detach();
            chosen = setting.onDevice() ? chooseOnDevice(decisive_TE, p_TE) : choose(decisive_TE, p_TE);
            decided = chosen;
        }
        Tensor weights_TK = weights(p_TE, chosen).narrow(0, 0, tokens);
        if (!setting.measured()) {
            return new Tensor[] {weights_TK};
        }
        Tensor balance = balanceLoss(p_TE, chosen);
        if (figures == null) {
            figures = figures(balance, logits_TE.detach(), p_TE.detach(), chosen.first_GE());
        }
        Tensor z = setting.zCoefficient() == 0
                ? Tensor.zeros(p_TE.dtype(), p_TE.device())
                : meansOf(given_TE.logSumExp(-1).square().unsqueeze(1), 1).sum().mul(setting.zCoefficient());
        return new Tensor[] {weights_TK, balance.mul(setting.balanceCoefficient()), z};
    }

    /** Logits by which the k choices of all tokens in order go to one expert after the other. */
    private Tensor turns(Tensor like_TE) {
        long tokens = like_TE.size(0);
        long experts = like_TE.size(1);
        Device device = like_TE.device();
        Tensor first_T1 = Tensor.arange(tokens, device)
                .to(DType.FLOAT64)
                .mul(routing.topK())
                .unsqueeze(1);
        Tensor turn_TE = Tensor.arange(experts, device).to(DType.FLOAT64).sub(first_T1);
        return turn_TE.divideWhole(experts).mul((double) experts).sub(turn_TE).to(like_TE.dtype());
    }

    private RoutingFigures figures(Tensor balance, Tensor logits_TE, Tensor p_TE, Tensor first_GE) {
        return counts == null
                ? RoutingFigures.note(tape, balance, logits_TE, p_TE, first_GE, deviceAssignment())
                : RoutingFigures.note(tape, balance, logits_TE, p_TE, first_GE, counts);
    }

    /** The host decides, and waits for the logits. */
    private Choices choose(Tensor logits_TE, Tensor p_TE) {
        int experts = (int) logits_TE.size(1);
        int tokens = (int) logits_TE.size(0) - setting.fill();
        boolean[] padding = padding(tokens);
        Assignment all = routing.assign(new Routing.Request(
                Logits.of(logits_TE),
                p_TE::toDoubles,
                setting.groups(),
                padding,
                setting.training(),
                setting.fill() == 0 ? setting.noise() : filled(setting.noise(), tokens, experts)));
        counts = RoutingCounts.of(all);
        assignment = setting.fill() == 0 ? all : all.first(tokens);
        Device device = p_TE.device();
        return new Choices(
                keep(Tensor.of(all.expertOf()).view(-1, all.topK()).to(device)),
                keep(Functions.mask(all.kept(), p_TE.dtype(), device).view(-1, all.topK())),
                keep(Tensor.of(firstChoices(all, padding))
                        .view(balanceGroups(), experts)
                        .to(device)));
    }

    private double[] firstChoices(Assignment all, boolean @Nullable [] padding) {
        int groupTokens = all.tokens() / balanceGroups();
        double[] counts = new double[balanceGroups() * all.experts()];
        for (int token = 0; token < all.tokens(); token++) {
            if (padding == null || !padding[token]) {
                counts[token / groupTokens * all.experts() + (int) all.expertOf()[token * all.topK()]]++;
            }
        }
        return counts;
    }

    /** The device decides, and the host goes on. */
    private Choices chooseOnDevice(Tensor logits_TE, Tensor p_TE) {
        boolean[] flags = setting.padding();
        Device device = logits_TE.device();
        Tensor padding_T = flags == null ? null : Functions.mask(flags, DType.BOOL, device);
        DeviceAssignment made = DeviceAssignment.of(logits_TE, routing.topK(), padding_T, tape, kernels);
        deviceAssignment = made;
        long tokens = logits_TE.size(0);
        long experts = logits_TE.size(1);
        Tensor group_T = Tensor.arange(tokens, device).divideWhole(tokens / balanceGroups());
        Tensor place_T = group_T.mul((double) experts).add(made.experts_TK().select(1, 0));
        Tensor first_GE = Tensor.zeros(DType.FLOAT64, device, balanceGroups() * experts)
                .scatterAddInPlace(0, place_T, made.kept_TK().select(1, 0).to(DType.FLOAT64))
                .view(balanceGroups(), experts);
        return new Choices(made.experts_TK(), keep(made.kept_TK().to(p_TE.dtype())), keep(first_GE));
    }

    private Tensor keep(Tensor tensor) {
        return tape.constant(tensor).tensor();
    }

    /** Groups that have a balance loss each. */
    private int balanceGroups() {
        return setting.fractions() == null ? setting.groups() : 1;
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
    private Tensor weights(Tensor p_TE, Choices chosen) {
        Tensor gates_TK = p_TE.gather(1, chosen.experts_TK());
        Tensor live_TK = gates_TK.mul(chosen.kept_TK());
        if (live_TK.size(1) == 1) {
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
    private Tensor balanceLoss(Tensor p_TE, Choices chosen) {
        int groups = balanceGroups();
        long experts = p_TE.size(1);
        double[] fractions = setting.fractions();
        Tensor fractions_GE = fractions == null
                ? chosen.first_GE().div(tokens(p_TE, groups))
                : Tensor.of(fractions).view(1, experts);
        return meansOf(p_TE, groups)
                .mul(fractions_GE.to(p_TE.dtype()).to(p_TE.device()))
                .sum()
                .mul((double) experts / groups);
    }

    /** The means over each group's tokens, {@code [groups, N]}. */
    private Tensor meansOf(Tensor x_TN, int groups) {
        int positions = (int) x_TN.size(0);
        int each = positions / groups;
        if (setting.present() == null) {
            return x_TN.view(groups, each, x_TN.size(1)).mean(1);
        }
        double[] tokens = tokensOf(groups, positions);
        double[] shares = new double[positions];
        Arrays.setAll(shares, i -> isPresent(i) ? 1 / tokens[i / each] : 0);
        Tensor shares_T1 = Tensor.of(shares).to(x_TN.dtype()).to(x_TN.device()).unsqueeze(1);
        return x_TN.mul(shares_T1).view(groups, each, x_TN.size(1)).sum(1);
    }

    /** The tokens in each group, {@code [groups, 1]} or one number for all, float64. */
    private Tensor tokens(Tensor like_TE, int groups) {
        int positions = (int) like_TE.size(0);
        return setting.present() == null
                ? Tensor.full((double) positions / groups, DType.FLOAT64, like_TE.device())
                : Tensor.of(tokensOf(groups, positions)).view(groups, 1).to(like_TE.device());
    }

    /** Positions of each group that have a token, at least 1. */
    private double[] tokensOf(int groups, int positions) {
        double[] tokens = new double[groups];
        for (int i = 0; i < positions; i++) {
            tokens[i / (positions / groups)] += isPresent(i) ? 1 : 0;
        }
        return Arrays.stream(tokens).map(count -> Math.max(1, count)).toArray();
    }

    /** Rows that fill the batch up, behind its positions, count as tokens, as published. */
    private boolean isPresent(int position) {
        boolean[] present = setting.present();
        return present == null || position >= present.length || present[position];
    }

    /** What the host assigned. */
    public Assignment assignment() {
        if (assignment == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return assignment;
    }

    /** What the device assigned. */
    public DeviceAssignment deviceAssignment() {
        if (deviceAssignment == null) {
            throw new ModelException(name + ": no device has made an assignment");
        }
        return deviceAssignment;
    }

    /** Tokens of each group whose first choice each expert is, {@code [groups, experts]} float64. */
    public Tensor firstChoices() {
        if (decided == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return decided.first_GE();
    }

    /** How many choices each expert got, {@code [experts]}. */
    public Tensor load() {
        return counts == null ? deviceAssignment().counts_E() : Tensor.of(counts.kept());
    }

    /** What the router did, which need not be known to the host yet. */
    public RoutingFigures figures() {
        if (figures == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return figures;
    }
}
