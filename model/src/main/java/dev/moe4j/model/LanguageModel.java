package dev.moe4j.model;

import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.AttentionMask;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.EmbeddingSection;
import dev.moe4j.model.block.HeadSection;
import dev.moe4j.model.block.Norm;
import dev.moe4j.model.block.NormSection;
import dev.moe4j.model.block.Rotation;
import dev.moe4j.model.block.ScaleSection;
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
import dev.moe4j.model.spec.Positions;
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
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A decoder-only Transformer language model, dense or with mixture-of-experts layers. Follows the published study:
 * pre-norm blocks on a residual stream, sinusoidal or learned positions, output projection tied to the embedding or
 * separate.
 *
 * <p>A model owns its parameters. Under expert parallelism or with a sharded optimizer (ZeRO), an instance is one
 * process's part of the model. To be used by one thread at a time; close it to free its memory.
 */
public final class LanguageModel implements AutoCloseable {

    private final Architecture architecture;
    private final ParallelContext parallel;
    private final ParameterExchange denseExchange;
    private final ParameterExchange expertExchange;
    private final Parameters parameters;
    private final Scope scope;
    /** The table of sinusoidal positions; null with other positions. */
    private final @Nullable Tensor sinusoids;

    private final BalanceTracker balanceTracker;
    private final Execution execution;
    private final List<Layer> layers;
    private final Norm norm;

    /**
     * @param scope owns all memory
     */
    private LanguageModel(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext parallel,
            double factor,
            Scope scope) {
        checkLayout(architecture, parallel);
        this.scope = scope;
        this.architecture = architecture;
        this.parallel = parallel;
        this.denseExchange = new ParameterExchange(parallel.everyone(), 1);
        this.expertExchange = new ParameterExchange(parallel.replicas(), factor);
        ModelConfig config = architecture.model();
        this.execution = new Execution(device, config.activationDropout());
        this.parameters = ModelParameters.create(
                architecture, precision, device, parallel.layout(), scope, denseExchange, expertExchange);
        this.balanceTracker =
                new BalanceTracker(config.moeLayers(), config.experts(), parallel.everyone(), device, scope);
        this.layers =
                IntStream.range(0, config.layers()).mapToObj(this::newLayer).toList();
        this.norm = Norm.of(config.norm(), ModelParameters.FINAL_NORM, parameters);
        this.sinusoids = config.positions() == Positions.SINUSOIDAL ? sinusoidal(config, precision, device) : null;
    }

    /** Rejects settings whose result depends on the complete micro-batch, of which each process has only a part. */
    private static void checkLayout(Architecture architecture, ParallelContext parallel) {
        if (parallel.layout().world() == 1 || architecture.model().experts() == 0) {
            return;
        }
        if (architecture.routing().group() == 0) {
            throw new ModelException("routing.group: 0 shares one capacity among all sequences of a micro-batch, but "
                    + "each process has only a part of them; use a number that divides a process's share, such as 1");
        }
        if (architecture.balance().transform() != BalanceConfig.Transform.NONE) {
            throw new ModelException("balance.transform: the logarithm needs the loss of the complete micro-batch, but "
                    + "each process has only a part of it; use none");
        }
    }

    private Layer newLayer(int index) {
        ModelConfig config = architecture.model();
        MixtureLayer mixture = config.isMoeLayer(index)
                ? new MixtureLayer(index, architecture, parallel, parameters, balanceTracker, execution)
                : null;
        return new Layer(index, config, parameters, execution, mixture);
    }

    private Tensor sinusoidal(ModelConfig config, Precision precision, Device device) {
        try (Scope _ = Scope.open()) {
            Tensor table = SinusoidalPositions.table(
                    SinusoidalPositions.rows(config.context()), config.width(), SinusoidalPositions.PADDING_ROW);
            return scope.keep(table.to(precision.compute()).to(device));
        }
    }

    /**
     * A model with the published initialisation, complete in this process.
     *
     * @param key the seed of the initial values
     */
    public static LanguageModel initialize(
            Architecture architecture, Precision precision, Device device, RandomKey key) {
        return initialize(architecture, precision, device, ParallelContext.SINGLE, ExpertGradients.EXACT, key);
    }

    /**
     * This process's part of a model with the published initialisation. The values do not depend on the layout of the
     * processes.
     *
     * @param parallel the process groups of data parallel and expert parallel training
     * @param rule how experts' gradients are scaled
     * @param key the seed of the initial values, equal in all processes
     * @throws ModelException if several processes cannot compute this architecture
     */
    public static LanguageModel initialize(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext parallel,
            ExpertGradients rule,
            RandomKey key) {
        LanguageModel model = blank(architecture, precision, device, parallel, rule);
        try {
            model.parameters.initialize(key);
            return model;
        } catch (RuntimeException | Error e) {
            model.close();
            throw e;
        }
    }

    /** A model with all parameters zero, complete in this process. Used before its values are loaded. */
    public static LanguageModel blank(Architecture architecture, Precision precision, Device device) {
        return blank(architecture, precision, device, ParallelContext.SINGLE, ExpertGradients.EXACT);
    }

    /**
     * This process's part of a model with all parameters zero. Used before its values are loaded.
     *
     * @throws ModelException if several processes cannot compute this architecture
     */
    public static LanguageModel blank(
            Architecture architecture,
            Precision precision,
            Device device,
            ParallelContext parallel,
            ExpertGradients rule) {
        double factor = rule.factor(parallel.layout().world());
        return Scope.owner(scope -> new LanguageModel(architecture, precision, device, parallel, factor, scope));
    }

    /** The process groups that the model is distributed over. */
    public ParallelContext parallelContext() {
        return parallel;
    }

    /** The exchange that reduces and gathers the given group's parameters: expert parameters have their own. */
    public ParameterExchange exchangeOf(ParameterGroup unit) {
        return unit.parameters().getFirst().spec().stacked() ? expertExchange : denseExchange;
    }

    /**
     * Prepares for a backward pass. Call it before each backward pass of a step (gradient accumulation has several).
     *
     * @param last whether this is the step's last backward pass. Gradients are then all-reduced while the pass runs.
     */
    public void beginBackward(boolean last) {
        denseExchange.beginBackward(last);
        expertExchange.beginBackward(last);
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

    /**
     * The tracker that carries first-choice fractions from one step to the next, for the global load balancing loss.
     */
    public BalanceTracker balanceTracker() {
        return balanceTracker;
    }

    /** Switches to the reference implementation of every section. Faster implementations are tested against it. */
    public void useReferenceSections() {
        execution.useReference();
    }

    /**
     * Sets where tokens are assigned to experts. On the device, the host does not wait for the router's logits;
     * dropless routing only. On the host, it waits in every MoE layer. The default is the device for CUDA, and the host
     * for the CPU.
     */
    public void routeOnDevice(boolean setting) {
        execution.routeOnDevice(setting);
    }

    /**
     * Replaces the fused kernels. The default is the device's kernels, if it has any.
     *
     * @param given null to use libtorch's operators only
     */
    public void useKernels(@Nullable Kernels given) {
        execution.useKernels(given);
    }

    /** The fused kernels in use; null if sections use libtorch's operators only. */
    @Nullable
    public Kernels kernels() {
        return execution.kernels();
    }

    /**
     * Assigns tokens to experts round robin and ignores the router, which gives a perfectly balanced load. For
     * benchmarks: a model trained this way is useless.
     */
    public void assignRoundRobin() {
        execution.assignRoundRobin();
    }

    /** Sets activation recomputation for later passes. The default is {@link Recompute#NONE}. */
    public void recompute(Recompute setting) {
        execution.recompute(setting);
    }

    /**
     * Sets the dropout probability inside experts during training, in place of the configuration's {@code
     * activation_dropout}. Fine-tuning raises it: each expert sees few examples, so experts overfit before the dense
     * parameters do (Fedus et al. 2021, section 2.4).
     */
    public void expertDropout(double probability) {
        execution.expertDropout(probability);
    }

    /**
     * Runs the forward pass of a batch and computes its loss. If the tape records, run backward from the report's
     * roots.
     *
     * @throws ModelException if a sequence is longer than the context, a token is not in the vocabulary, or the pass
     *     has another number of sequences than the batch
     */
    public LossReport loss(Tape tape, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open()) {
            ForwardOutputs outputs = new ForwardOutputs(true);
            Value out = body(tape, batch, pass, outputs);
            HeadSection head = new HeadSection(
                    output(), parameters.precision().stable(), pass.lossPerToken(), execution.kernels());
            Value[] results = tape.runAll(head, out, tape.constant(batch.targetTensor(device())));
            List<Value> roots = new ArrayList<>(List.of(results[0]));
            roots.addAll(outputs.roots);
            return new LossReport(roots, results[1], outputs.hidden, outputs.routing);
        }
    }

    /**
     * The result of a forward pass without the output head.
     *
     * @param states the normalised hidden states, times {@code model.multipliers.logits}, {@code [tokens, model]}
     * @param roots scalars from which backward starts, in addition to the head's loss: the load balancing losses,
     *     weighted by the batch's share of the step's targets
     */
    public record HiddenStates(Value states, List<Value> roots) {}

    /**
     * Runs the forward pass of a batch without the output head. Backward starts from the caller's loss and the roots.
     *
     * @throws ModelException as {@link #loss} does
     */
    public HiddenStates body(Tape tape, TokenBatch batch, PassContext pass) {
        try (Scope _ = Scope.open()) {
            ForwardOutputs outputs = new ForwardOutputs(true);
            Value states = body(tape, batch, pass, outputs);
            return new HiddenStates(states, outputs.roots);
        }
    }

    /**
     * The logits of every position, {@code [sequences, length, vocabulary]}, without gradients or dropout. The
     * innermost scope owns them.
     *
     * @throws ModelException if a sequence is longer than the context or a token is not in the vocabulary
     */
    public Tensor logits(TokenBatch batch) {
        return logits(batch, PassContext.evaluation(batch.sequences()));
    }

    /** As {@link #logits(TokenBatch)}, with the given pass's capacity and dropout. */
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
            throw new ModelException("the pass has " + pass.sequences().length + " sequences, but the batch has "
                    + batch.sequences() + "; give the pass one number for each sequence of the batch");
        }
        batch.checkVocabulary(config().vocabulary());
    }

    private Value body(Tape tape, TokenBatch batch, PassContext pass, ForwardOutputs outputs) {
        check(batch, pass);
        AttentionMask mask = AttentionMask.of(
                batch, config().padding(), parameters.precision().compute(), device(), tape);
        long[] rows = SinusoidalPositions.rows(batch, config().padding());
        Rotation rotation = rotation(rows);
        if (rotation != null) {
            tape.constant(rotation.cos_T1R());
            tape.constant(rotation.sin_T1R());
        }
        return body(
                tape,
                batch,
                rows,
                layer -> layers.get(layer).attention(mask, rotation, batch, pass),
                architecture.routing(),
                pass,
                outputs);
    }

    /**
     * The rotation of tokens' queries and keys; null without rotary positions. The innermost scope owns it.
     *
     * @param rows each token's row in the position table
     */
    public @Nullable Rotation rotation(long... rows) {
        return config().positions() == Positions.ROPE
                ? Rotation.of(config(), parameters.precision().stable(), device(), rows)
                : null;
    }

    /**
     * The normalised hidden states of tokens that continue a decoder's sequences, {@code [tokens, model]}, without
     * gradients. The innermost scope owns them. Routing is dropless, regardless of the configured strategy, so a
     * token's state does not depend on the other tokens of the call.
     *
     * @param rows each token's row in the position table
     * @param attention gives the attention section of a layer
     * @param load receives, for each MoE layer, the number of choices per expert {@code [experts]} and the layer's
     *     index among the MoE layers
     */
    public Tensor decodeStates(
            long[] tokens, long[] rows, IntFunction<Section> attention, ObjIntConsumer<Tensor> load) {
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
            ForwardOutputs outputs) {
        ModelConfig config = config();
        Value x = tape.run(
                embedding(pass),
                tape.constant(batch.tokenTensor(device())),
                tape.constant(
                        Tensor.of(rows).view(batch.sequences(), batch.length()).to(device())));
        outputs.hidden.add(x);
        for (int layer = 0; layer < config.layers(); layer++) {
            x = layers.get(layer).run(tape, x, attention.apply(layer), batch, routing, pass, outputs);
            outputs.hidden.add(x);
        }
        if (!outputs.balances.isEmpty()) {
            double coefficient = architecture.balance().weight() * MixtureLayer.lossWeight(batch, pass);
            outputs.roots.add(tape.run(new BalanceLogSection(coefficient), outputs.balances.toArray(Value[]::new)));
        }
        Value states = tape.run(new NormSection("norm", norm), x);
        double factor = config.multipliers().logits();
        return factor == 1 ? states : tape.run(new ScaleSection("logits_factor", factor), states);
    }

    private EmbeddingSection embedding(PassContext pass) {
        Parameter tokens = parameters.get(ModelParameters.EMBEDDING);
        int padding = config().padding();
        double factor = config().multipliers().embedding(config().width());
        Dropout dropout = new Dropout(config().dropout(), pass, "embedding");
        return switch (config().positions()) {
            case SINUSOIDAL, ROPE -> new EmbeddingSection(tokens, sinusoids, factor, padding, dropout);
            case LEARNED ->
                new EmbeddingSection(tokens, parameters.get(ModelParameters.POSITIONS), factor, padding, dropout);
        };
    }

    /** The output table, {@code [vocabulary, model]}; the embedding if the two are tied. */
    public Parameter output() {
        return parameters.get(config().tied() ? ModelParameters.EMBEDDING : ModelParameters.HEAD);
    }

    @Override
    public void close() {
        // This also closes the model's scope.
        parameters.close();
    }

    /** The attention of the layer with the given index, from 0. */
    public Attention attention(int layer) {
        return layers.get(layer).attention();
    }

    Parameter parameter(String name) {
        return parameters.get(name);
    }
}
