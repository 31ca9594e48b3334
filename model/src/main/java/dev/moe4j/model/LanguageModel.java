package dev.moe4j.model;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.AttentionMask;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.EmbeddingSection;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.parameter.ModelParameters;
import dev.moe4j.model.parameter.ParameterExchange;
import dev.moe4j.model.routing.BalanceLogSection;
import dev.moe4j.model.routing.BalanceTracker;
import dev.moe4j.model.spec.Architecture;
import dev.moe4j.model.spec.BalanceConfig;
import dev.moe4j.model.spec.ExpertGradients;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.ModelException;
import dev.moe4j.model.spec.Recompute;
import dev.moe4j.model.spec.RoutingConfig;
import dev.moe4j.parallel.ParallelContext;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.ParameterGroup;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntFunction;
import java.util.function.ObjIntConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A decoder-only Transformer, dense or with a mixture of experts in some layers, as the published study has it: pre-norm
 * blocks on a residual stream, sinusoidal or learned positions, output tied to the embedding or not. Owns its
 * parameters.
 */
public final class LanguageModel implements AutoCloseable {

    private final Architecture architecture;
    private final ParallelContext fabric;
    private final ParameterExchange denseUnits;
    private final ParameterExchange expertUnits;
    private final Parameters parameters;
    private final Scope scope;
    private final Tensor positions;
    private final BalanceTracker balanceTracker;
    private final Execution execution;
    private final LayerSections sections;
    private final MixtureLayer mixture;

    /**
     * @param scope owns all memory
     */
    private LanguageModel(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext fabric,
            double factor,
            Scope scope) {
        checkLayout(architecture, fabric);
        this.scope = scope;
        this.architecture = architecture;
        this.fabric = fabric;
        this.denseUnits = new ParameterExchange(fabric.everyone(), 1);
        this.expertUnits = new ParameterExchange(fabric.replicas(), factor);
        ModelConfig config = architecture.model();
        this.execution = new Execution(device);
        this.parameters =
                ModelParameters.create(config, precision, device, fabric.layout(), scope, denseUnits, expertUnits);
        this.balanceTracker =
                new BalanceTracker(config.moeLayers(), config.experts(), fabric.everyone(), device, scope);
        this.sections = new LayerSections(config, parameters, execution);
        this.mixture = new MixtureLayer(architecture, fabric, parameters, sections, balanceTracker, execution);
        this.positions = switch (config.positions()) {
            case SINUSOIDAL -> sinusoidal(config, precision, device);
            case LEARNED -> parameters.get(ModelParameters.POSITIONS).tensor();
        };
    }

    /** What several processes cannot compute as one would: what one loss or capacity takes all of a micro-batch for. */
    private static void checkLayout(Architecture architecture, ParallelContext fabric) {
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
        return initialize(architecture, precision, device, ParallelContext.SINGLE, ExpertGradients.EXACT, key);
    }

    /** As {@link #initialize(Architecture, Precision, Device, RandomKey)}, this process's part of it. */
    public static LanguageModel initialize(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext fabric,
            ExpertGradients rule,
            RandomKey key) {
        LanguageModel model = blank(architecture, precision, device, fabric, rule);
        try {
            model.parameters.initialize(key);
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** A model whose parameters are zero until they are read from somewhere. */
    public static LanguageModel blank(Architecture architecture, Precision precision, Device device) {
        return blank(architecture, precision, device, ParallelContext.SINGLE, ExpertGradients.EXACT);
    }

    /** This process's part of a model whose parameters are zero until they are read from somewhere. */
    public static LanguageModel blank(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext fabric,
            ExpertGradients rule) {
        double factor = rule.factor(fabric.layout().world());
        return Scope.owner(scope -> new LanguageModel(architecture, precision, device, fabric, factor, scope));
    }

    /** The processes that the model works on. */
    public ParallelContext fabric() {
        return fabric;
    }

    /** The exchange that a unit takes part in. */
    public ParameterExchange exchangeOf(ParameterGroup unit) {
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
        execution.useReference();
    }

    /**
     * Whether the device assigns tokens to experts from now on, where it can, rather than the host, which then waits for
     * every router's logits. By default on CUDA.
     */
    public void routeOnDevice(boolean setting) {
        execution.routeOnDevice(setting);
    }

    /**
     * Computes by these kernels of our own from now on, by default by those of its device.
     *
     * @param given null for libtorch's operators
     */
    public void useKernels(@Nullable Kernels given) {
        execution.useKernels(given);
    }

    /** Kernels of our own that sections use; null where they compute by libtorch's operators. */
    @Nullable
    public Kernels kernels() {
        return execution.kernels();
    }

    /**
     * Deals tokens out to experts in turns from now on, whatever routers say: the load of a perfectly balanced mixture, for
     * benchmarks. What is learned so is worth nothing.
     */
    public void dealInTurns() {
        mixture.dealInTurns();
    }

    /** Keeps no more for the backward pass than that from now on. */
    public void recompute(Recompute setting) {
        execution.recompute(setting);
    }

    /**
     * Drops that share of the activations inside experts in training from now on, rather than the configuration's
     * {@code activation_dropout}: few examples meet each expert when a model is fine-tuned, so that experts overfit
     * before the rest does (Fedus et al. 2021, section 2.4).
     */
    public void expertDropout(double probability) {
        mixture.expertDropout(probability);
    }

    /** Runs a batch and gives its loss; on a recording tape backward may follow. */
    public LossReport loss(Tape tape, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open()) {
            ForwardOutputs beside = new ForwardOutputs(true);
            Value out = body(tape, batch, pass, beside);
            HeadSection head = new HeadSection(
                    output(), parameters.precision().stable(), pass.lossPerToken(), execution.kernels());
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
    public Body body(Tape tape, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open()) {
            ForwardOutputs beside = new ForwardOutputs(true);
            Value states = body(tape, batch, pass, beside);
            return new Body(states, beside.roots);
        }
    }

    /** The logits of every position, {@code [sequences, length, vocabulary]}, without gradients, in the innermost scope. */
    public Tensor logits(TokenBatch batch) {
        return logits(batch, PassContext.evaluation(batch.sequences()));
    }

    /** As {@link #logits(TokenBatch)}, with the capacity and the dropout of the given pass. */
    Tensor logits(TokenBatch batch, PassContext pass) {
        try (Scope inner = Scope.open();
                Tape tape = Tape.inference()) {
            Value out = body(tape, batch, pass, new ForwardOutputs(false));
            Tensor logits = Functions.linear(out.tensor(), output().tensor());
            return inner.escape(logits.view(batch.sequences(), batch.length(), -1));
        }
    }

    private void check(TokenBatch batch, PassContext pass) {
        if (batch.length() > config().context()) {
            throw new ModelException("sequences of " + batch.length()
                    + " tokens are longer than the model's context of " + config().context());
        }
        if (pass.sequences().length != batch.sequences()) {
            throw new ModelException("a pass of " + pass.sequences().length + " sequences was given with a batch of "
                    + batch.sequences() + "; both need one number for each sequence");
        }
        batch.checkVocabulary(config().vocabulary());
    }

    private Value body(Tape tape, TokenBatch batch, PassContext pass, ForwardOutputs beside) {
        check(batch, pass);
        AttentionMask mask = AttentionMask.of(
                batch, config().padding(), parameters.precision().compute(), device(), tape);
        return body(
                tape,
                batch,
                SinusoidalPositions.rows(batch, config().padding()),
                layer -> sections.attention(layer, mask, batch, pass),
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
     * @param load hears of each layer with experts, numbered among those, how many choices each one got, {@code [experts]}
     */
    public Tensor continued(long[] tokens, long[] rows, IntFunction<Section> attention, ObjIntConsumer<Tensor> load) {
        long[] none = new long[tokens.length];
        Arrays.fill(none, TokenBatch.NONE);
        TokenBatch batch = new TokenBatch(tokens, none, 1);
        try (Scope inner = Scope.open();
                Tape tape = Tape.inference()) {
            RoutingConfig routing = architecture.routing().dropless();
            Value out = body(
                    tape, batch, rows, attention, routing, PassContext.evaluation(1), new ForwardOutputs(false, load));
            return inner.escape(out.tensor().detach());
        }
    }

    private Value body(
            Tape tape,
            TokenBatch batch,
            long[] rows,
            IntFunction<Section> attention,
            RoutingConfig routing,
            PassContext pass,
            ForwardOutputs beside) {
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
            double coefficient = architecture.balance().weight() * MixtureLayer.share(batch, pass);
            beside.roots.add(tape.run(new BalanceLogSection(coefficient), beside.balances.toArray(Value[]::new)));
        }
        return tape.run(sections.norm("norm", "model.layer_norm"), x);
    }

    private Value layer(
            Tape tape,
            int layer,
            Value input,
            Section attention,
            TokenBatch batch,
            RoutingConfig routing,
            PassContext pass,
            ForwardOutputs beside) {
        String prefix = LayerSections.prefix(layer);
        Recompute recompute = execution.recompute();
        Value[] attended = sections.attend(tape, layer, attention, input);
        Value x = attended[0];
        Value h = attended[1];
        Value output = config().isMoeLayer(layer)
                ? mixture.run(tape, layer, x, h, batch, routing, pass, beside)
                : tape.run(recompute.costly(), sections.feedForward(layer, "ffn", prefix, pass), x, h);
        tape.drop(x, h);
        return output;
    }

    private EmbeddingSection embedding(PassContext pass) {
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

    @Override
    public void close() {
        // Closes the model's scope too.
        parameters.close();
    }

    public AttentionSection.Weights attentionWeights(int layer) {
        return sections.attentionWeights(layer);
    }

    Parameter parameter(String name) {
        return parameters.get(name);
    }
}
