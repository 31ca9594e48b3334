package dev.moe4j.model.routing;

import dev.moe4j.model.block.Logits;
import dev.moe4j.model.spec.GateConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Buffer;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The router of one MoE layer: logits, gate probabilities, top-k assignment, combine weights, load balancing loss and
 * z-loss. Input: h [tokens, model]. Outputs, in the stable type: the combine weights [tokens, k], 0 for dropped
 * choices; the load balancing loss and the z-loss, each multiplied by its coefficient, as scalars from which backward
 * starts. If losses are not measured, the weights are the only output. Computes in at least float32. A recomputation
 * for backward reuses the assignment.
 *
 * <p>A short batch may be padded with masked tokens of zeros. Their logits are zero, because a router is a product
 * without a bias. Capacity, load balancing loss and statistics count these tokens; nothing else does.
 */
public final class RouteSection implements Section.Autograd {

    private final String name;
    private final Parameter gate;
    private final @Nullable Buffer selectionBias;
    private final Routing routing;
    private final GateConfig config;
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
     * Decisions of the forward pass that backward reuses. The tape owns the tensors. G groups.
     *
     * @param experts_TK each choice's expert, int64
     * @param kept_TK 1 if the choice has a place, else 0, in the type of the probabilities
     * @param first_GE each group's number of tokens whose first choice is each expert, without padding, float64
     */
    private record Choices(Tensor experts_TK, Tensor kept_TK, Tensor first_GE) {}

    /**
     * The settings of one pass.
     *
     * @param groups the number of routing groups in the batch
     * @param padding mask of padding that no expert receives; null if there is none
     * @param present mask of real tokens; losses leave out the other positions. Null if all tokens are real.
     * @param fill the number of masked tokens of zeros that pad the batch
     * @param training whether the training capacity applies
     * @param noise the random numbers of policies that draw second choices
     * @param fractions the complete previous step's first-choice fractions, {@code [experts]}; null to use each group's
     *     own
     * @param balanceCoefficient the coefficient of the load balancing loss in its root
     * @param zCoefficient the coefficient of the z-loss in its root
     * @param onDevice whether the device makes the assignment, which must be dropless
     * @param roundRobin whether tokens are assigned to experts round robin, regardless of the logits
     * @param measured whether losses and figures are computed
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
            boolean roundRobin,
            boolean measured) {

        /** The most rows that one expert can receive from all groups. */
        public int places(Assignment assignment) {
            return Math.toIntExact(Math.min(assignment.capacity(), assignment.tokens() / groups) * groups);
        }
    }

    /**
     * @param gate {@code [experts, model]}
     * @param selectionBias added to the scores when experts are chosen, {@code [experts]}; null for none
     * @param tape owns the decisions
     * @param kernels used for an assignment on the device; null for libtorch's operators
     */
    public RouteSection(
            String name,
            Parameter gate,
            @Nullable Buffer selectionBias,
            RoutingConfig config,
            Setting setting,
            Tape tape,
            @Nullable Kernels kernels) {
        this.kernels = kernels;
        this.name = name;
        this.tape = tape;
        this.gate = gate;
        this.selectionBias = selectionBias;
        this.config = config.gate();
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

    /** The outputs, given the logits {@code [tokens, experts]}. */
    Tensor[] route(Tensor given_TE) {
        int tokens = (int) given_TE.size(0);
        int experts = (int) given_TE.size(1);
        Tensor logits_TE = setting.fill() == 0
                ? given_TE
                : Tensor.concat(
                        0, given_TE, Tensor.zeros(given_TE.dtype(), given_TE.device(), setting.fill(), experts));
        Tensor scores_TE = switch (config.scores()) {
            case SOFTMAX -> logits_TE.softmax(-1);
            case SIGMOID -> logits_TE.sigmoid();
        };
        Choices chosen = decided;
        if (chosen == null) {
            Tensor decisive_TE = setting.roundRobin() ? roundRobinLogits(logits_TE) : decisive(logits_TE, scores_TE);
            chosen = setting.onDevice() ? chooseOnDevice(decisive_TE, scores_TE) : choose(decisive_TE, scores_TE);
            decided = chosen;
        }
        Tensor weights_TK = weights(scores_TE, chosen).narrow(0, 0, tokens);
        if (!setting.measured()) {
            return new Tensor[] {weights_TK};
        }
        Tensor p_TE = probabilities(scores_TE);
        Tensor balance = balanceLoss(p_TE, chosen);
        if (figures == null) {
            Tensor known_TE = config.scores() == GateConfig.Scores.SOFTMAX
                    ? logits_TE.detach()
                    : p_TE.detach().log();
            figures = figures(balance, known_TE, p_TE.detach(), chosen.first_GE());
        }
        Tensor z = setting.zCoefficient() == 0
                ? Tensor.zeros(p_TE.dtype(), p_TE.device())
                : meansOf(given_TE.logSumExp(-1).square().unsqueeze(1), 1).sum().mul(setting.zCoefficient());
        return new Tensor[] {weights_TK, balance.mul(setting.balanceCoefficient()), z};
    }

    /** The numbers by whose order experts are chosen. Softmax scores have the same order as logits. */
    private Tensor decisive(Tensor logits_TE, Tensor scores_TE) {
        return selectionBias == null ? logits_TE.detach() : scores_TE.detach().add(selectionBias.tensor());
    }

    /** The distribution over experts: the scores, divided by their sum if they are not probabilities. */
    private Tensor probabilities(Tensor scores_TE) {
        return switch (config.scores()) {
            case SOFTMAX -> scores_TE;
            case SIGMOID -> scores_TE.div(scores_TE.sum(-1).unsqueeze(-1).clampMin(epsilon(scores_TE.dtype())));
        };
    }

    /** Logits that assign the choices of all tokens, in order, to the experts round robin. */
    private Tensor roundRobinLogits(Tensor like_TE) {
        long tokens = like_TE.size(0);
        long experts = like_TE.size(1);
        Device device = like_TE.device();
        Tensor first_T1 = Tensor.arange(tokens, device)
                .to(DType.FLOAT64)
                .mul(routing.topK())
                .unsqueeze(1);
        Tensor order_TE = Tensor.arange(experts, device).to(DType.FLOAT64).sub(first_T1);
        return order_TE.floorDivide(experts).mul((double) experts).sub(order_TE).to(like_TE.dtype());
    }

    private RoutingFigures figures(Tensor balance, Tensor logits_TE, Tensor p_TE, Tensor first_GE) {
        return counts == null
                ? RoutingFigures.of(tape, balance, logits_TE, p_TE, first_GE, deviceAssignment())
                : RoutingFigures.of(tape, balance, logits_TE, p_TE, first_GE, counts);
    }

    /** The host makes the assignment, so it waits for the logits. */
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

    /** The device makes the assignment, and the host continues. */
    private Choices chooseOnDevice(Tensor logits_TE, Tensor p_TE) {
        boolean[] flags = setting.padding();
        Device device = logits_TE.device();
        Tensor padding_T = flags == null ? null : Functions.mask(flags, DType.BOOL, device);
        DeviceAssignment made = DeviceAssignment.of(logits_TE, routing.topK(), padding_T, tape, kernels);
        deviceAssignment = made;
        long tokens = logits_TE.size(0);
        long experts = logits_TE.size(1);
        Tensor group_T = Tensor.arange(tokens, device).floorDivide(tokens / balanceGroups());
        Tensor place_T = group_T.mul((double) experts).add(made.experts_TK().select(1, 0));
        Tensor first_GE = Tensor.zeros(DType.FLOAT64, device, balanceGroups() * experts)
                .scatterAddInPlace(0, place_T, made.kept_TK().select(1, 0).to(DType.FLOAT64))
                .view(balanceGroups(), experts);
        return new Choices(made.experts_TK(), keep(made.kept_TK().to(p_TE.dtype())), keep(first_GE));
    }

    private Tensor keep(Tensor tensor) {
        return tape.constant(tensor).tensor();
    }

    /** The number of groups with a balance loss each. */
    private int balanceGroups() {
        return setting.fractions() == null ? setting.groups() : 1;
    }

    /** Mask of the tokens that get no expert, including those that pad the batch. */
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

    /** The noise of the real tokens; zero for tokens that pad the batch. */
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

    /** The combine weights {@code [tokens, k]} of the experts' outputs. */
    private Tensor weights(Tensor p_TE, Choices chosen) {
        Tensor gates_TK = p_TE.gather(1, chosen.experts_TK());
        Tensor live_TK = gates_TK.mul(chosen.kept_TK());
        if (live_TK.size(1) == 1 || !config.renormalize()) {
            return scaled(live_TK);
        }
        Tensor total_T1 = (normalizeBeforeDropping ? gates_TK : live_TK)
                .sum(-1)
                .unsqueeze(-1)
                .clampMin(epsilon(p_TE.dtype()));
        return scaled(live_TK.div(total_T1));
    }

    private Tensor scaled(Tensor weights_TK) {
        return config.scale() == 1 ? weights_TK : weights_TK.mul(config.scale());
    }

    private static double epsilon(DType type) {
        return type == DType.FLOAT64 ? Math.ulp(1.0) : Math.ulp(1f);
    }

    /** The load balancing loss E · Σ_e (fraction of first choices) · (mean probability), averaged over groups. */
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

    /** The mean over each group's tokens, {@code [groups, N]}. */
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

    /** The number of tokens in each group, {@code [groups, 1]}, or one number for all groups; float64. */
    private Tensor tokens(Tensor like_TE, int groups) {
        int positions = (int) like_TE.size(0);
        return setting.present() == null
                ? Tensor.full((double) positions / groups, DType.FLOAT64, like_TE.device())
                : Tensor.of(tokensOf(groups, positions)).view(groups, 1).to(like_TE.device());
    }

    /** The number of real tokens in each group, at least 1. */
    private double[] tokensOf(int groups, int positions) {
        double[] tokens = new double[groups];
        for (int i = 0; i < positions; i++) {
            tokens[i / (positions / groups)] += isPresent(i) ? 1 : 0;
        }
        return Arrays.stream(tokens).map(count -> Math.max(1, count)).toArray();
    }

    /** Tokens that pad the batch count as real tokens, as in the published system. */
    private boolean isPresent(int position) {
        boolean[] present = setting.present();
        return present == null || position >= present.length || present[position];
    }

    /**
     * The assignment made by the host.
     *
     * @throws ModelException if the section has not run, or the device made the assignment
     */
    public Assignment assignment() {
        if (assignment == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return assignment;
    }

    /**
     * The assignment made by the device.
     *
     * @throws ModelException if the section has not run, or the host made the assignment
     */
    public DeviceAssignment deviceAssignment() {
        if (deviceAssignment == null) {
            throw new ModelException(name + ": the device has not made an assignment");
        }
        return deviceAssignment;
    }

    /** Each group's number of tokens whose first choice is each expert, {@code [groups, experts]} float64. */
    public Tensor firstChoices() {
        if (decided == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return decided.first_GE();
    }

    /** The number of choices that each expert received, {@code [experts]}. */
    public Tensor load() {
        return counts == null ? deviceAssignment().counts_E() : Tensor.of(counts.kept());
    }

    /** The routing figures, which may still be on the device. */
    public RoutingFigures figures() {
        if (figures == null) {
            throw new ModelException(name + ": the router has not run");
        }
        return figures;
    }
}
