package dev.moe4j.model;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.FeedForward;
import dev.moe4j.model.block.FeedForwardSection;
import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.expert.CombineSection;
import dev.moe4j.model.expert.DispatchSection;
import dev.moe4j.model.expert.ExpertNetworks;
import dev.moe4j.model.expert.ExpertProducts;
import dev.moe4j.model.expert.ExpertsSection;
import dev.moe4j.model.expertparallel.ExchangeSection;
import dev.moe4j.model.expertparallel.ExpertExchange;
import dev.moe4j.model.expertparallel.OverlappedExpertsSection;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.routing.AssignedRows;
import dev.moe4j.model.routing.Assignment;
import dev.moe4j.model.routing.BalanceTracker;
import dev.moe4j.model.routing.DeviceAssignment;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.routing.RouteSection;
import dev.moe4j.model.routing.Routing;
import dev.moe4j.model.routing.RowChoices;
import dev.moe4j.model.routing.RowIndices;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Buffer;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * A mixture of experts, which replaces a block's feed-forward network. The steps are route (router and top-k), dispatch,
 * experts, combine. Under expert parallelism, an all-to-all precedes and follows the experts.
 */
final class MixtureLayer {

    private final Architecture architecture;
    private final ModelConfig model;
    private final ParallelContext parallel;
    private final Parameters parameters;
    private final BalanceTracker balanceTracker;
    private final Execution execution;
    private final int layer;
    /** The number of MoE layers before this one. */
    private final int moeIndex;

    private final String name;
    private final Parameter gate;
    private final @Nullable Buffer selectionBias;
    private final ExpertNetworks.Weights experts;
    private final InnerActivation activation;
    /** The network of the shared experts; null if there are none. */
    private final @Nullable FeedForward shared;

    /**
     * @param layer the layer's index, from 0
     */
    MixtureLayer(
            int layer,
            Architecture architecture,
            ParallelContext parallel,
            Parameters parameters,
            BalanceTracker balanceTracker,
            Execution execution) {
        this.architecture = architecture;
        this.model = architecture.model();
        this.parallel = parallel;
        this.parameters = parameters;
        this.balanceTracker = balanceTracker;
        this.execution = execution;
        this.layer = layer;
        this.moeIndex = model.moeLayersBefore(layer);
        this.name = "layers." + layer + ".";
        String prefix = ModelParameters.layerPrefix(layer) + "moe.";
        this.gate = parameters.get(prefix + "gate.weight");
        this.selectionBias = architecture.routing().gate().selectionBias()
                ? parameters.buffer(prefix + ModelParameters.SELECTION_BIAS)
                : null;
        this.experts = ExpertNetworks.Weights.of(model, prefix, parameters);
        this.activation =
                new InnerActivation(model.activation(), model.feedForward().gated());
        this.shared = model.sharedExperts() == 0 ? null : FeedForward.shared(model, prefix + "shared.", parameters);
    }

    /**
     * Adds the weighted outputs of each token's experts to the residual stream.
     *
     * @param residual {@code [tokens, model]}
     * @param h the normalised residual stream, {@code [tokens, model]}
     * @param collected receives balance losses and routing figures
     */
    Value run(
            Tape tape,
            Value residual,
            Value h,
            TokenBatch batch,
            RoutingConfig routing,
            PassContext pass,
            ForwardOutputs collected) {
        RouteSection.Setting setting = routeSetting(batch, routing, pass, collected.measured);
        RouteSection route =
                new RouteSection(name + "route", gate, selectionBias, routing, setting, tape, execution.kernels());
        Value[] routed = tape.runAll(execution.recompute().cheap(), route, h);
        if (collected.measured) {
            (transformed() ? collected.balances : collected.roots).add(routed[1]);
            collected.roots.add(routed[2]);
            collected.routing.add(new LossReport.Routed(layer, route.figures()));
        }
        if (collected.load != null) {
            collected.load.accept(route.load(), moeIndex);
        }
        if (pass.training()) {
            balanceTracker.add(moeIndex, route.firstChoices());
        }

        DType compute = parameters.precision().compute();
        Dropout dropout = expertDropout(pass);
        RowIndices indices;
        Value rows;
        Value outputs;
        if (setting.onDevice()) {
            DeviceAssignment made = route.deviceAssignment();
            indices = RowIndices.of(made, compute, tape);
            rows = dispatch(tape, indices, h);
            ExpertProducts products =
                    new ExpertProducts.OnDevice(made.ends_E(), made.expertOf_R(), execution.kernels());
            outputs = tape.run(execution.recompute().costly(), experts(products, indices.choices(), dropout), rows);
        } else if (parallel.layout().expertParallel() == 1) {
            IntUnaryOperator rowsFor = pass.training() ? AssignedRows::rounded : AssignedRows::tight;
            AssignedRows made = new AssignedRows(route.assignment(), rowsFor);
            indices = RowIndices.of(made, compute, parameters.device(), tape);
            rows = dispatch(tape, indices, h);
            outputs = tape.run(execution.recompute().costly(), experts(made, indices.choices(), dropout), rows);
        } else {
            boolean even = routing.strategy() == RoutingConfig.Strategy.CAPACITY;
            Assignment made = route.assignment();
            AssignedRows sent = new AssignedRows(made, even ? _ -> setting.places(made) : IntUnaryOperator.identity());
            indices = RowIndices.of(sent, compute, parameters.device(), tape);
            rows = dispatch(tape, indices, h);
            outputs = exchanged(tape, sent, indices, even, rows, dropout, pass);
        }
        Value base = shared == null
                ? residual
                : tape.run(execution.recompute().costly(), sharedExperts(shared, pass), residual, h);
        Value output = tape.run(
                execution.recompute().costly(),
                new CombineSection(
                        name + "combine",
                        indices,
                        new Dropout(model.dropout(), pass, name + "experts"),
                        execution.recompute().lean(),
                        model.multipliers().residual(),
                        execution.kernels()),
                base,
                outputs,
                routed[0]);
        tape.drop(rows, outputs, base, routed[0]);
        return output;
    }

    private Value dispatch(Tape tape, RowIndices indices, Value h) {
        return tape.run(execution.recompute().cheap(), new DispatchSection(name + "dispatch", indices), h);
    }

    /**
     * Sends rows to the ranks that hold their experts, runs the local experts, and returns the results (expert
     * parallel). Backward never repeats the all-to-all exchanges.
     */
    private Value exchanged(
            Tape tape,
            AssignedRows sent,
            RowIndices indices,
            boolean even,
            Value rows,
            Dropout localDropout,
            PassContext pass) {
        ExpertExchange exchange = ExpertExchange.of(parallel.rows(), layer, sent, even, rows.tensor(), tape);
        Dropout dropout = localDropout;
        RowChoices choices = indices.choices();
        if (localDropout.active()) {
            dropout = expertDropout(pass.withSequences(exchange.sequences(pass.sequences())));
        }
        if (parallel.overlapping()) {
            return overlapped(tape, exchange, rows, choices, dropout);
        }
        if (dropout.active()) {
            choices = exchange.choices(choices, tape);
        }
        Value arrived = tape.run(new ExchangeSection(name + "exchange_rows", exchange, false), rows);
        Value results = tape.run(execution.recompute().costly(), experts(exchange.rows(), choices, dropout), arrived);
        Value returned = tape.run(new ExchangeSection(name + "exchange_results", exchange, true), results);
        tape.drop(rows, arrived, results);
        return returned;
    }

    private Value overlapped(Tape tape, ExpertExchange exchange, Value rows, RowChoices choices, Dropout dropout) {
        List<OverlappedExpertsSection.Part> parts = new ArrayList<>();
        for (ExpertExchange.Half half : exchange.halves(rows.tensor(), tape)) {
            RowChoices own = dropout.active() ? half.exchange().choices(choices.rows(half.sentOf_H()), tape) : choices;
            parts.add(new OverlappedExpertsSection.Part(
                    half.exchange(), half.sentOf_H(), experts(half.exchange().rows(), own, dropout)));
        }
        Section section = new OverlappedExpertsSection(
                name + "exchanged_experts", parts, execution.recompute() == Recompute.FULL);
        Value returned = tape.run(section, rows);
        tape.drop(rows, returned);
        return returned;
    }

    private Dropout expertDropout(PassContext pass) {
        return new Dropout(execution.expertDropout(), pass, name + "experts_activation");
    }

    private FeedForwardSection sharedExperts(FeedForward network, PassContext pass) {
        return new FeedForwardSection(
                name + "shared",
                network,
                new Dropout(model.activationDropout(), pass, name + "shared_activation"),
                new Dropout(model.dropout(), pass, name + "shared"),
                execution.recompute().lean());
    }

    /** The experts on rows that the host assigned. */
    private ExpertsSection experts(ExpertRows rows, RowChoices choices, Dropout dropout) {
        return execution.reference()
                ? experts(new ExpertProducts.Loop(rows), choices, dropout)
                : experts(ExpertNetworks.of(experts, activation, rows), choices, dropout);
    }

    /** The experts computed with the given products. */
    private ExpertsSection experts(ExpertProducts products, RowChoices choices, Dropout dropout) {
        return experts(new ExpertNetworks.ByProducts(experts, activation, products), choices, dropout);
    }

    private ExpertsSection experts(ExpertNetworks networks, RowChoices choices, Dropout dropout) {
        return new ExpertsSection(
                name + "experts",
                networks,
                dropout,
                choices,
                execution.recompute().lean());
    }

    private RouteSection.Setting routeSetting(
            TokenBatch batch, RoutingConfig routing, PassContext pass, boolean measured) {
        BalanceConfig balance = architecture.balance();
        // Groups matter for capacity and for the balance loss. Evaluation of a dropless model uses neither.
        boolean grouped =
                routing.group() > 0 && (pass.training() || routing.strategy() == RoutingConfig.Strategy.CAPACITY);
        if (grouped && batch.sequences() % routing.group() != 0) {
            throw new ModelException("routing.group: " + routing.group()
                    + " does not divide the batch of " + batch.sequences() + " sequences"
                    + (parallel.layout().world() == 1 ? "" : " that each process has"));
        }
        double perLayer = balance.combine() == BalanceConfig.Combine.MEAN ? 1.0 / model.moeLayers() : 1;
        double @Nullable [] fractions = balance.scope() == BalanceConfig.Scope.GLOBAL && pass.training()
                ? balanceTracker.previous(moeIndex)
                : null;
        return new RouteSection.Setting(
                grouped ? batch.sequences() / routing.group() : 1,
                batch.unrouted(routing.maskPadding(), model.padding()),
                batch.present(),
                Math.max(0, routing.paddedSequences() - batch.sequences()) * batch.length(),
                pass.training(),
                Routing.Noise.of(pass.key().fold(name + "route"), pass.sequences()),
                fractions,
                transformed() ? perLayer : balance.weight() * lossWeight(batch, pass) * perLayer,
                balance.zWeight() * lossWeight(batch, pass) * perLayer,
                routesOnDevice(routing),
                execution.roundRobin(),
                measured);
    }

    /**
     * Whether the device assigns tokens to experts. It can if routing is dropless, all experts are local, and grouped
     * products are available.
     */
    private boolean routesOnDevice(RoutingConfig routing) {
        return execution.routesOnDevice()
                && routing.strategy() == RoutingConfig.Strategy.DROPLESS
                && parallel.layout().expertParallel() == 1
                && ExpertProducts.canGroup(
                        parameters.precision().compute(), model.experts(), model.width(), model.expertFfn());
    }

    /** Whether the sum of the layers' balance losses is transformed before it is weighted. */
    private boolean transformed() {
        return architecture.balance().transform() != BalanceConfig.Transform.NONE;
    }

    /**
     * The weight of a mean over the batch's positions in the step's loss. It is the batch's share of the step's
     * sequences, because all sequences have the same number of positions. How many of them have a loss does not matter.
     */
    static double lossWeight(TokenBatch batch, PassContext pass) {
        double tokens = Double.isNaN(pass.tokensPerSequence())
                ? batch.predicted()
                : pass.tokensPerSequence() * batch.sequences();
        return pass.lossPerToken() * tokens;
    }
}
