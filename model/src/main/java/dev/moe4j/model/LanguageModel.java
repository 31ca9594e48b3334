package dev.moe4j.model;

import dev.moe4j.parallel.Fabric;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Kernels;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Parameters;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Section;
import dev.moe4j.tensor.Tape;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.Unit;
import dev.moe4j.tensor.Value;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * A decoder-only Transformer, dense or with a mixture of experts in some layers, as the published study has it: pre-norm
 * blocks on a residual stream, sinusoidal or learned positions, output tied to the embedding or not. Owns its
 * parameters.
 */
public final class LanguageModel implements AutoCloseable {

    static final double NORM_EPSILON = 1e-5;

    /** Up to this length attention in blocks keeps its weights; beyond, the fused kernel needs less memory. */
    static final int LONGEST_BLOCKED = 512;

    private final Architecture architecture;
    private final Fabric fabric;
    private final UnitExchange denseUnits;
    private final UnitExchange expertUnits;
    private final Parameters parameters;
    private final Scope scope = Scope.detached();
    private final Tensor positions;
    private final BalanceTracker balanceTracker;
    private boolean reference;
    private Recompute recompute = Recompute.NONE;
    private boolean deviceRouting;
    private @Nullable Kernels kernels;
    private double expertDropout;

    private LanguageModel(Architecture architecture, Precision precision, Device device, Fabric fabric, double factor) {
        checkLayout(architecture, fabric);
        this.architecture = architecture;
        this.fabric = fabric;
        this.denseUnits = new UnitExchange(fabric.everyone(), 1);
        this.expertUnits = new UnitExchange(fabric.replicas(), factor);
        ModelConfig config = architecture.model();
        this.expertDropout = config.activationDropout();
        this.deviceRouting = device.isCuda();
        this.kernels = Kernels.of(device).orElse(null);
        this.parameters = ModelParameters.create(config, precision, device, fabric.layout(), denseUnits, expertUnits);
        this.balanceTracker =
                new BalanceTracker(config.moeLayers(), config.experts(), fabric.everyone(), device, scope);
        this.positions = switch (config.positions()) {
            case SINUSOIDAL -> sinusoidal(config, precision, device);
            case LEARNED -> parameters.get(ModelParameters.POSITIONS).tensor();
        };
    }

    /** What several processes cannot compute as one would: what one loss or capacity takes all of a micro-batch for. */
    private static void checkLayout(Architecture architecture, Fabric fabric) {
        if (fabric.layout().world() == 1 || architecture.model().experts() == 0) {
            return;
        }
        if (architecture.routing().group() == 0) {
            throw new ModelException(
                    "routing.group: 0 lets all sequences of a micro-batch share a capacity, and "
                            + "several processes have a part of them each; use a number that divides each one's share, such as 1");
        }
        if (architecture.balance().transform() != BalanceConfig.Transform.NONE) {
            throw new ModelException("balance.transform: the logarithm is taken of a whole micro-batch's loss, and "
                    + "several processes have a part of it each; use none");
        }
    }

    private Tensor sinusoidal(ModelConfig config, Precision precision, Device device) {
        try (Scope _ = Scope.open()) {
            Tensor table = SinusoidalPositions.table(
                    SinusoidalPositions.rows(config.context()), config.width(), SinusoidalPositions.PADDING_ROW);
            return scope.keep(table.to(precision.compute()).to(device));
        }
    }

    /** A model with the published initialisation, drawn from the key. */
    public static LanguageModel initialize(
            Architecture architecture, Precision precision, Device device, RandomKey key) {
        return initialize(architecture, precision, device, Fabric.SINGLE, ExpertGradients.EXACT, key);
    }

    /** As {@link #initialize(Architecture, Precision, Device, RandomKey)}, this process's part of it. */
    public static LanguageModel initialize(
            Architecture architecture,
            Precision precision,
            Device device,
            Fabric fabric,
            ExpertGradients rule,
            RandomKey key) {
        LanguageModel model = blank(architecture, precision, device, fabric, rule);
        model.parameters.initialize(key);
        return model;
    }

    /** A model whose parameters are zero until they are read from somewhere. */
    static LanguageModel blank(Architecture architecture, Precision precision, Device device) {
        return blank(architecture, precision, device, Fabric.SINGLE, ExpertGradients.EXACT);
    }

    /** This process's part of a model whose parameters are zero until they are read from somewhere. */
    static LanguageModel blank(
            Architecture architecture, Precision precision, Device device, Fabric fabric, ExpertGradients rule) {
        return new LanguageModel(
                architecture,
                precision,
                device,
                fabric,
                rule.factor(fabric.layout().world()));
    }

    /** The processes that the model works on. */
    public Fabric fabric() {
        return fabric;
    }

    /** The exchange that a unit takes part in. */
    UnitExchange exchangeOf(Unit unit) {
        return unit.parameters().getFirst().spec().stacked() ? expertUnits : denseUnits;
    }

    /**
     * Begins a backward pass of a step.
     *
     * @param last whether it is the step's last, so that gradients may be summed over processes on its way
     */
    public void beginBackward(boolean last) {
        denseUnits.beginBackward(last);
        expertUnits.beginBackward(last);
    }

    public Architecture architecture() {
        return architecture;
    }

    public ModelConfig config() {
        return architecture.model();
    }

    public Parameters parameters() {
        return parameters;
    }

    public Device device() {
        return parameters.device();
    }

    /** The first-choice fractions that the global balance loss takes from one step to the next. */
    public BalanceTracker balanceTracker() {
        return balanceTracker;
    }

    /**
     * Computes every section in its plainest way from now on: the reference that faster ways are held against.
     */
    public void useReferenceSections() {
        reference = true;
    }

    /**
     * Whether the device assigns tokens to experts from now on, where it can, rather than the host, which then waits for
     * every router's logits. By default on CUDA.
     */
    public void routeOnDevice(boolean setting) {
        deviceRouting = setting;
    }

    /** Computes by these kernels of our own from now on, where it has some; by default by those of its device. */
    public void useKernels(Kernels given) {
        kernels = given;
    }

    /** Kernels of our own that sections use; null where they compute by libtorch's operators. */
    @Nullable
    Kernels kernels() {
        return reference ? null : kernels;
    }

    /** Keeps no more for the backward pass than that from now on. */
    public void recompute(Recompute setting) {
        recompute = setting;
    }

    /**
     * Drops that share of the activations inside experts in training from now on, rather than the configuration's
     * {@code activation_dropout}: few examples meet each expert when a model is fine-tuned, so that experts overfit
     * before the rest does (Fedus et al. 2021, section 2.4).
     */
    public void expertDropout(double probability) {
        expertDropout = probability;
    }

    /** Runs a batch and gives its loss; on a recording tape backward may follow. */
    public LossReport loss(Tape tape, TokenBatch batch, Pass pass) {
        try (Scope _ = Scope.open()) {
            Beside beside = new Beside();
            Value out = body(tape, batch, pass, beside);
            HeadSection head =
                    new HeadSection(output(), parameters.precision().stable(), pass.lossPerToken(), kernels());
            Value[] results = tape.runAll(head, out, tape.constant(batch.targetTensor(device())));
            List<Value> roots = new ArrayList<>(List.of(results[0]));
            roots.addAll(beside.roots);
            return new LossReport(roots, results[1], beside.hidden, beside.routing);
        }
    }

    /**
     * What a head of another kind begins with.
     *
     * @param states the normalised hidden states, {@code [tokens, model]}
     * @param roots scalars from which backward starts beside the head's own: the balance losses, weighted by the share
     *     of the step's targets that the batch has
     */
    public record Body(Value states, List<Value> roots) {}

    /** Runs a batch up to the head; backward may follow from a head's loss and the roots. */
    public Body body(Tape tape, TokenBatch batch, Pass pass) {
        try (Scope _ = Scope.open()) {
            Beside beside = new Beside();
            Value states = body(tape, batch, pass, beside);
            return new Body(states, beside.roots);
        }
    }

    /** The logits of every position, {@code [sequences, length, vocabulary]}, without gradients, in the innermost scope. */
    public Tensor logits(TokenBatch batch) {
        return logits(batch, Pass.evaluation(batch.sequences()));
    }

    /** As {@link #logits(TokenBatch)}, with the capacity and the dropout of the given pass. */
    Tensor logits(TokenBatch batch, Pass pass) {
        try (Scope inner = Scope.open();
                Tape tape = Tape.inference()) {
            Value out = body(tape, batch, pass, new Beside());
            Tensor logits = Functions.linear(out.tensor(), output().tensor());
            return inner.escape(logits.view(batch.sequences(), batch.length(), -1));
        }
    }

    /** What a pass collects on its way beside the residual stream. */
    private static final class Beside {
        private final List<Value> hidden = new ArrayList<>();
        private final List<Value> roots = new ArrayList<>();
        /** The layers' shares of a balance loss that is yet to be transformed. */
        private final List<Value> balances = new ArrayList<>();

        private final List<LossReport.Routed> routing = new ArrayList<>();
    }

    private Value body(Tape tape, TokenBatch batch, Pass pass, Beside beside) {
        if (batch.length() > config().context()) {
            throw new ModelException("sequences of " + batch.length()
                    + " tokens are longer than the model's context of " + config().context());
        }
        Tensor mask = tape.constant(AttentionMask.of(
                        batch, config().padding(), parameters.precision().compute(), device()))
                .tensor();
        return body(
                tape,
                batch,
                SinusoidalPositions.rows(batch, config().padding()),
                layer -> attention(layer, mask, batch, pass),
                architecture.routing(),
                pass,
                beside);
    }

    /**
     * The normalised hidden states behind tokens that continue a decoder's sequences, {@code [tokens, model]}, without
     * gradients, in the innermost scope. Every choice of experts is computed, whatever the strategy: what a token gets
     * does not depend on which others come with it.
     *
     * @param rows each token's row in the table of positions
     * @param attention gives a layer's attention
     */
    Tensor continued(long[] tokens, long[] rows, IntFunction<Section> attention) {
        long[] none = new long[tokens.length];
        Arrays.fill(none, TokenBatch.NONE);
        TokenBatch batch = new TokenBatch(tokens, none, 1);
        try (Scope inner = Scope.open();
                Tape tape = Tape.inference()) {
            RoutingConfig routing = architecture.routing().dropless();
            Value out = body(tape, batch, rows, attention, routing, Pass.evaluation(1), new Beside());
            return inner.escape(out.tensor().detach());
        }
    }

    private Value body(
            Tape tape,
            TokenBatch batch,
            long[] rows,
            IntFunction<Section> attention,
            RoutingConfig routing,
            Pass pass,
            Beside beside) {
        ModelConfig config = config();
        Value x = tape.run(
                embedding(pass),
                tape.constant(batch.tokenTensor(device())),
                tape.constant(
                        Tensor.of(rows).view(batch.sequences(), batch.length()).to(device())));
        beside.hidden.add(x);
        for (int layer = 0; layer < config.layers(); layer++) {
            x = layer(tape, layer, x, attention.apply(layer), batch, routing, pass, beside);
            beside.hidden.add(x);
        }
        if (!beside.balances.isEmpty()) {
            double coefficient = architecture.balance().weight() * share(batch, pass);
            beside.roots.add(tape.run(new BalanceLogSection(coefficient), beside.balances.toArray(Value[]::new)));
        }
        return tape.run(norm("norm", "model.layer_norm"), x);
    }

    private Value layer(
            Tape tape,
            int layer,
            Value input,
            Section attention,
            TokenBatch batch,
            RoutingConfig routing,
            Pass pass,
            Beside beside) {
        String prefix = layerPrefix(layer);
        Value x = tape.run(retention(attention), attention, input);
        Value h = tape.run(recompute.cheap(), norm("layers." + layer + ".norm", prefix + "final_layer_norm"), x);
        Value output = config().isMoeLayer(layer)
                ? mixture(tape, layer, x, h, batch, routing, pass, beside)
                : tape.run(recompute.costly(), feedForward(layer, "ffn", prefix, pass), x, h);
        tape.drop(x, h);
        return output;
    }

    private static String layerPrefix(int layer) {
        return "model.layers." + layer + ".";
    }

    private EmbeddingSection embedding(Pass pass) {
        Parameter tokens = parameters.get(ModelParameters.EMBEDDING);
        int padding = config().padding();
        Dropout dropout = new Dropout(config().dropout(), pass, "embedding");
        return switch (config().positions()) {
            case SINUSOIDAL -> new EmbeddingSection(tokens, positions, padding, dropout);
            case LEARNED -> new EmbeddingSection(tokens, parameters.get(ModelParameters.POSITIONS), padding, dropout);
        };
    }

    /** The table of the output, {@code [vocabulary, model]}. */
    public Parameter output() {
        return parameters.get(config().tied() ? ModelParameters.EMBEDDING : ModelParameters.HEAD);
    }

    AttentionSection.Weights attentionWeights(int layer) {
        String prefix = layerPrefix(layer);
        return new AttentionSection.Weights(
                parameters.get(prefix + "self_attn_layer_norm.weight"),
                parameters.get(prefix + "self_attn_layer_norm.bias"),
                parameters.get(prefix + "self_attn.qkv_proj.weight"),
                parameters.get(prefix + "self_attn.qkv_proj.bias"),
                parameters.get(prefix + "self_attn.out_proj.weight"),
                parameters.get(prefix + "self_attn.out_proj.bias"));
    }

    private Section attention(int layer, Tensor mask, TokenBatch batch, Pass pass) {
        AttentionSection.Weights weights = attentionWeights(layer);
        String name = "layers." + layer + ".attention";
        Dropout weightDropout =
                new Dropout(config().attentionDropout(), pass, "layers." + layer + ".attention_weights");
        Dropout outputDropout = dropout(layer, "attention", pass);
        boolean blocked =
                !reference && !device().isCuda() && !weightDropout.active() && batch.length() <= LONGEST_BLOCKED;
        return blocked
                ? new BlockedAttentionSection(
                        name, weights, config().heads(), mask, batch.sequences(), outputDropout, recompute.lean())
                : new AttentionSection(
                        name, weights, config().heads(), mask, batch.sequences(), weightDropout, outputDropout);
    }

    /** Attention weights inside a graph that libtorch derives can be computed again with the whole section only. */
    private Tape.Retention retention(Section attention) {
        return attention instanceof AttentionSection plain && !plain.fused() ? recompute.cheap() : recompute.costly();
    }

    private Value mixture(
            Tape tape,
            int layer,
            Value residual,
            Value h,
            TokenBatch batch,
            RoutingConfig routing,
            Pass pass,
            Beside beside) {
        String name = "layers." + layer + ".";
        String prefix = layerPrefix(layer) + "moe.";
        RouteSection.Setting setting = routeSetting(layer, batch, routing, pass);
        RouteSection route = new RouteSection(
                name + "route", parameters.get(prefix + "gate.weight"), routing, setting, tape, kernels());
        Value[] routed = tape.runAll(recompute.cheap(), route, h);
        (transformed() ? beside.balances : beside.roots).add(routed[1]);
        beside.roots.add(routed[2]);
        if (pass.training()) {
            balanceTracker.add(moeIndex(layer), route.firstChoices());
        }
        beside.routing.add(new LossReport.Routed(layer, route.figures()));

        DType compute = parameters.precision().compute();
        Dropout dropout = activationDropout(layer, "experts", expertDropout, pass);
        Routes routes;
        Value rows;
        Value outputs;
        if (setting.onDevice()) {
            DeviceAssignment made = route.deviceAssignment();
            routes = Routes.of(made, compute, tape);
            rows = dispatch(tape, name, routes, h);
            ExpertProducts products = new ExpertProducts.OnDevice(made.ends_E(), made.expertOf_R(), kernels());
            outputs = tape.run(recompute.costly(), experts(layer, _ -> products, routes.choices(), dropout), rows);
        } else if (fabric.layout().expertParallel() == 1) {
            // Sequences of one token are a step of decoding.
            Assignment made = batch.length() == 1 ? route.assignment().tight() : route.assignment();
            routes = Routes.of(made, compute, device(), tape);
            rows = dispatch(tape, name, routes, h);
            outputs = tape.run(recompute.costly(), experts(layer, productsOver(made), routes.choices(), dropout), rows);
        } else {
            boolean even = routing.strategy() == RoutingConfig.Strategy.CAPACITY;
            Assignment made = route.assignment();
            Assignment sent = even ? made.even(setting.places(made)) : made.packed();
            routes = Routes.of(sent, compute, device(), tape);
            rows = dispatch(tape, name, routes, h);
            outputs = elsewhere(tape, layer, sent, routes, even, rows, pass);
        }
        Value base = config().sharedExperts() == 0
                ? residual
                : tape.run(recompute.costly(), feedForward(layer, "shared", prefix + "shared.", pass), residual, h);
        Value output = tape.run(
                recompute.costly(),
                new CombineSection(
                        name + "combine", routes, dropout(layer, "experts", pass), recompute.lean(), kernels()),
                base,
                outputs,
                routed[0]);
        tape.drop(rows, outputs, base, routed[0]);
        return output;
    }

    private Value dispatch(Tape tape, String name, Routes routes, Value h) {
        return tape.run(recompute.cheap(), new DispatchSection(name + "dispatch", routes), h);
    }

    private Function<Tensor, ExpertProducts> productsOver(ExpertRows rows) {
        return weight -> reference ? new ExpertProducts.Loop(rows) : ExpertProducts.of(rows, weight);
    }

    /** The experts of several processes on rows that travel to them and back: exchanges are not repeated in backward. */
    private Value elsewhere(Tape tape, int layer, Assignment sent, Routes routes, boolean even, Value rows, Pass pass) {
        String name = "layers." + layer + ".";
        ExpertExchange exchange = ExpertExchange.of(fabric.rows(), layer, sent, even, rows.tensor(), tape);
        Dropout dropout = activationDropout(layer, "experts", expertDropout, pass);
        ExpertsSection.Choices choices = routes.choices();
        if (dropout.active()) {
            dropout = activationDropout(
                    layer, "experts", expertDropout, pass.withSequences(exchange.sequences(pass.sequences())));
        }
        if (fabric.overlapping()) {
            return overlapped(tape, layer, exchange, rows, choices, dropout);
        }
        if (dropout.active()) {
            choices = exchange.choices(choices, tape);
        }
        Value arrived = tape.run(new ExchangeSection(name + "exchange_rows", exchange, false), rows);
        Value results =
                tape.run(recompute.costly(), experts(layer, productsOver(exchange.rows()), choices, dropout), arrived);
        Value returned = tape.run(new ExchangeSection(name + "exchange_results", exchange, true), results);
        tape.drop(rows, arrived, results);
        return returned;
    }

    private Value overlapped(
            Tape tape,
            int layer,
            ExpertExchange exchange,
            Value rows,
            ExpertsSection.Choices choices,
            Dropout dropout) {
        List<OverlappedExpertsSection.Part> parts = new ArrayList<>();
        for (ExpertExchange.Half half : exchange.halves(rows.tensor(), tape)) {
            ExpertsSection.Choices own =
                    dropout.active() ? half.exchange().choices(choices.rows(half.sentOf_H()), tape) : choices;
            parts.add(new OverlappedExpertsSection.Part(
                    half.exchange(),
                    half.sentOf_H(),
                    experts(layer, productsOver(half.exchange().rows()), own, dropout)));
        }
        Section section = new OverlappedExpertsSection(
                "layers." + layer + ".exchanged_experts", parts, recompute == Recompute.FULL);
        Value returned = tape.run(section, rows);
        tape.drop(rows, returned);
        return returned;
    }

    private ExpertsSection experts(
            int layer, Function<Tensor, ExpertProducts> productsOf, ExpertsSection.Choices choices, Dropout dropout) {
        String prefix = layerPrefix(layer) + "moe.experts.";
        return new ExpertsSection(
                "layers." + layer + ".experts",
                new ExpertsSection.Weights(
                        parameters.get(prefix + "fc1.weight"),
                        parameters.get(prefix + "fc1.bias"),
                        parameters.get(prefix + "fc2.weight"),
                        parameters.get(prefix + "fc2.bias")),
                config().activation(),
                dropout,
                productsOf,
                choices,
                recompute.lean());
    }

    private RouteSection.Setting routeSetting(int layer, TokenBatch batch, RoutingConfig routing, Pass pass) {
        BalanceConfig balance = architecture.balance();
        // Groups matter for capacity and for the group's balance loss; evaluation of dropless models has neither.
        boolean grouped =
                routing.group() > 0 && (pass.training() || routing.strategy() == RoutingConfig.Strategy.CAPACITY);
        if (grouped && batch.sequences() % routing.group() != 0) {
            throw new ModelException("routing.group: groups of " + routing.group()
                    + " sequences do not divide a batch of " + batch.sequences()
                    + (fabric.layout().world() == 1 ? "" : ", one process's share"));
        }
        double perLayer = balance.combine() == BalanceConfig.Combine.MEAN ? 1.0 / config().moeLayers() : 1;
        double @Nullable [] fractions = balance.scope() == BalanceConfig.Scope.GLOBAL && pass.training()
                ? balanceTracker.previous(moeIndex(layer))
                : null;
        return new RouteSection.Setting(
                grouped ? batch.sequences() / routing.group() : 1,
                batch.unrouted(routing.maskPadding() ? config().padding() : -1),
                Math.max(0, routing.paddedSequences() - batch.sequences()) * batch.length(),
                pass.training(),
                Routing.Noise.of(pass.key().fold("layers." + layer + ".route"), pass.sequences()),
                fractions,
                transformed() ? perLayer : balance.weight() * share(batch, pass) * perLayer,
                balance.zWeight() * share(batch, pass) * perLayer,
                routesOnDevice(routing));
    }

    /** Whether the device makes the assignment: it is dropless, of experts that are all here, in grouped products. */
    private boolean routesOnDevice(RoutingConfig routing) {
        return deviceRouting
                && !reference
                && routing.strategy() == RoutingConfig.Strategy.DROPLESS
                && fabric.layout().expertParallel() == 1
                && ExpertProducts.canGroup(parameters.precision().compute(), config().width(), config().expertFfn());
    }

    /** Whether the layers' balance losses become one before they are weighted. */
    private boolean transformed() {
        return architecture.balance().transform() != BalanceConfig.Transform.NONE;
    }

    /** What a loss for each token of the batch counts in the step's. */
    private static double share(TokenBatch batch, Pass pass) {
        return pass.lossPerToken() * batch.predicted();
    }

    private int moeIndex(int layer) {
        return (layer + 1) / config().expertEvery() - 1;
    }

    private NormSection norm(String name, String parameter) {
        return new NormSection(name, parameters.get(parameter + ".weight"), parameters.get(parameter + ".bias"));
    }

    private FeedForwardSection feedForward(int layer, String site, String prefix, Pass pass) {
        return new FeedForwardSection(
                "layers." + layer + "." + site,
                new FeedForwardSection.Weights(
                        parameters.get(prefix + "fc1.weight"),
                        parameters.get(prefix + "fc1.bias"),
                        parameters.get(prefix + "fc2.weight"),
                        parameters.get(prefix + "fc2.bias")),
                config().activation(),
                activationDropout(layer, site, config().activationDropout(), pass),
                dropout(layer, site, pass),
                recompute.lean());
    }

    private Dropout dropout(int layer, String site, Pass pass) {
        return new Dropout(config().dropout(), pass, "layers." + layer + "." + site);
    }

    private static Dropout activationDropout(int layer, String site, double probability, Pass pass) {
        return new Dropout(probability, pass, "layers." + layer + "." + site + "_activation");
    }

    @Override
    public void close() {
        parameters.close();
        scope.close();
    }

    Parameter parameter(String name) {
        return parameters.get(name);
    }
}
