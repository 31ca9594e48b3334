package dev.moe4j.model.decode;

import static org.assertj.core.api.Assertions.assertThat;

import dev.moe4j.model.Difference;
import dev.moe4j.model.Dot;
import dev.moe4j.model.TinyModels;
import dev.moe4j.model.batch.PassContext;
import dev.moe4j.model.block.Attention;
import dev.moe4j.model.block.AttentionMask;
import dev.moe4j.model.block.AttentionSection;
import dev.moe4j.model.block.BlockedAttentionSection;
import dev.moe4j.model.block.Dropout;
import dev.moe4j.model.block.Norm;
import dev.moe4j.model.block.Rotation;
import dev.moe4j.model.block.SinusoidalPositions;
import dev.moe4j.model.spec.AttentionConfig;
import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.model.spec.MultiplierConfig;
import dev.moe4j.model.spec.NormConfig;
import dev.moe4j.model.spec.Positions;
import dev.moe4j.model.spec.RopeConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Precision;
import dev.moe4j.tensor.RandomKey;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.autograd.Section;
import dev.moe4j.tensor.autograd.Tape;
import dev.moe4j.tensor.autograd.Value;
import dev.moe4j.tensor.parameter.Parameter;
import dev.moe4j.tensor.parameter.Parameters;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * All implementations of attention compute the same function: the reference, blocks on a CPU (with kept and with
 * recomputed weights), libtorch's fused kernel, and attention with a KV cache. For every combination of biases, shared
 * key heads, width of heads, norms of queries and keys, rotation, mask and dropout of the output.
 */
class AttentionKernelsTest {

    private static final int SEQUENCES = 2;
    private static final int LENGTH = 9;
    private static final int WIDTH = 12;
    private static final double BOUND = 1e-11;

    private static List<ModelConfig> configs(AttentionConfig.Bias bias) {
        List<ModelConfig> configs = new ArrayList<>();
        for (int kvHeads : List.of(0, 1, 2)) {
            for (int headWidth : List.of(0, 4)) {
                for (AttentionConfig.QkNorm qkNorm : AttentionConfig.QkNorm.values()) {
                    for (double fraction : List.of(0.0, 0.7, 1.0)) {
                        for (NormConfig norm : List.of(NormConfig.LAYER, NormConfig.RMS)) {
                            configs.add(TinyModels.mixture(WIDTH, 0, 0, 0).toBuilder()
                                    .heads(4)
                                    .norm(norm)
                                    .positions(fraction == 0 ? Positions.SINUSOIDAL : Positions.ROPE)
                                    .rope(new RopeConfig(100, fraction == 0 ? 1 : fraction))
                                    .attention(new AttentionConfig(
                                            kvHeads, headWidth, bias, qkNorm, headWidth == 0 ? 0 : 0.3))
                                    .multipliers(new MultiplierConfig(1, headWidth == 0 ? 1 : 0.4, 1))
                                    .build());
                        }
                    }
                }
            }
        }
        return configs;
    }

    @ParameterizedTest
    @EnumSource
    void allComputeTheSame(AttentionConfig.Bias bias) {
        for (ModelConfig config : configs(bias)) {
            for (boolean masked : List.of(false, true)) {
                for (double dropout : List.of(0.0, 0.3)) {
                    compare(config, masked, dropout);
                }
            }
        }
    }

    private interface Kernel {
        Section section(Attention attention, AttentionMask mask, @Nullable Rotation rotation, Dropout dropout);
    }

    private static void compare(ModelConfig config, boolean masked, double dropout) {
        List<double[]> reference = run(config, masked, dropout, plain(false));
        List<Kernel> others = List.of(plain(true), blocked(false), blocked(true));
        for (Kernel kernel : others) {
            List<double[]> results = run(config, masked, dropout, kernel);
            for (int i = 0; i < reference.size(); i++) {
                assertThat(Difference.norm(results.get(i), reference.get(i)))
                        .as(
                                "result %d of kernel %d, masked: %s, dropout: %s, %s",
                                i, others.indexOf(kernel), masked, dropout, config)
                        .isLessThanOrEqualTo(BOUND * (1 + norm(reference.get(i))));
            }
        }
        if (!masked && dropout == 0) {
            double[] cached = cached(config);
            assertThat(Difference.relative(cached, reference.getFirst()))
                    .as("with a cache, %s", config)
                    .isLessThanOrEqualTo(BOUND);
        }
    }

    private static double norm(double... values) {
        return Difference.norm(values, new double[values.length]);
    }

    private static Kernel plain(boolean fused) {
        return (attention, mask, rotation, dropout) -> new AttentionSection(
                "attention", attention, mask, rotation, SEQUENCES, fused, none("weights"), dropout, true);
    }

    private static Kernel blocked(boolean lean) {
        return (attention, mask, rotation, dropout) ->
                new BlockedAttentionSection("attention", attention, mask, rotation, SEQUENCES, dropout, lean);
    }

    private static Dropout none(String site) {
        return new Dropout(0, PassContext.evaluation(SEQUENCES), site);
    }

    private static Parameters parameters(ModelConfig config) {
        Parameters parameters = new Parameters(Precision.FP64, Device.CPU);
        List<Parameter.Spec> specs = new ArrayList<>(Norm.specs(config.norm(), Attention.normName(""), WIDTH));
        specs.addAll(Attention.specs(config, ""));
        parameters.add("attention", specs);
        RandomKey key = new RandomKey(5);
        try (Scope _ = Scope.open()) {
            for (Parameter parameter : parameters.all()) {
                key.fold(parameter.name()).fillUniform(parameter.master(), 0.1, 0.7);
            }
        }
        parameters.refresh();
        return parameters;
    }

    private static Tensor input() {
        Tensor x_TD = Tensor.empty(DType.FLOAT64, Device.CPU, SEQUENCES * LENGTH, WIDTH);
        new RandomKey(6).fillUniform(x_TD, -1, 1);
        return x_TD;
    }

    private static long[] rows() {
        long[] rows = new long[SEQUENCES * LENGTH];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = (long) SinusoidalPositions.FIRST_ROW + i % LENGTH;
        }
        return rows;
    }

    private static @Nullable Rotation rotation(ModelConfig config) {
        return config.positions() == Positions.ROPE ? Rotation.of(config, DType.FLOAT64, Device.CPU, rows()) : null;
    }

    /** The causal mask, or a mask that also hides the first two tokens from later ones. */
    private static AttentionMask mask(boolean masked) {
        Tensor causal_SS = Functions.causalMask(LENGTH, DType.FLOAT64, Device.CPU);
        if (!masked) {
            return new AttentionMask.Causal(causal_SS);
        }
        Tensor added_B1SS = causal_SS.expand(SEQUENCES, 1, LENGTH, LENGTH).copy();
        added_B1SS.narrow(2, 3, LENGTH - 3).narrow(3, 0, 2).fill(Double.NEGATIVE_INFINITY);
        return new AttentionMask.PerSequence(added_B1SS);
    }

    /** The output, and the gradients of the input and of all parameters. */
    private static List<double[]> run(ModelConfig config, boolean masked, double dropout, Kernel kernel) {
        try (Scope _ = Scope.open();
                Parameters parameters = parameters(config);
                Tape tape = Tape.recording()) {
            PassContext pass = new PassContext(true, 1, new RandomKey(3), new long[] {4, 7});
            Section section = kernel.section(
                    Attention.of(config, "", parameters),
                    mask(masked),
                    rotation(config),
                    new Dropout(dropout, pass, "output"));
            Value x = tape.variable(input());
            parameters.startGradients();
            Value y = tape.run(section, x);
            Tensor upstream = tape.constant(input().mul(0.7).add(0.2)).tensor();
            tape.backward(tape.run(new Dot(upstream), y));
            parameters.finishGradients();
            List<double[]> results = new ArrayList<>();
            results.add(y.tensor().toDoubles());
            results.add(Objects.requireNonNull(tape.gradient(x)).toDoubles());
            parameters
                    .all()
                    .forEach(parameter -> results.add(parameter.gradient().toDoubles()));
            return results;
        }
    }

    /** The output with a cache: the first tokens of all sequences, and then the others. */
    private static double[] cached(ModelConfig config) {
        int first = 4;
        try (Scope scope = Scope.open();
                Parameters parameters = parameters(config);
                Tape tape = Tape.inference()) {
            Attention attention = Attention.of(config, "", parameters);
            KeyValueCache cache = new KeyValueCache(config, DType.FLOAT64, Device.CPU, SEQUENCES, LENGTH, scope);
            Tensor x_BSD = input().view(SEQUENCES, LENGTH, WIDTH);
            Tensor y_BSD = x_BSD.emptyLike();
            for (int[] range : new int[][] {{0, first}, {first, LENGTH}}) {
                int count = range[1] - range[0];
                KeyValueCache.Places places = cache.places(DType.FLOAT64, 0, count, count);
                long[] rows = new long[SEQUENCES * count];
                for (int i = 0; i < rows.length; i++) {
                    rows[i] = (long) SinusoidalPositions.FIRST_ROW + range[0] + i % count;
                }
                Rotation rotation = config.positions() == Positions.ROPE
                        ? Rotation.of(config, DType.FLOAT64, Device.CPU, rows)
                        : null;
                Value part = tape.constant(x_BSD.narrow(1, range[0], count).reshape((long) SEQUENCES * count, WIDTH));
                Value out =
                        tape.run(new CachedAttentionSection("attention", attention, rotation, cache, 0, places), part);
                y_BSD.narrow(1, range[0], count).copy(out.tensor().view(SEQUENCES, count, WIDTH));
                cache.grow(0, count, count);
            }
            return y_BSD.toDoubles();
        }
    }
}
