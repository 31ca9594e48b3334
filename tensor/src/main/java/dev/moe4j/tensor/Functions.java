package dev.moe4j.tensor;

import java.util.List;
import java.util.function.Supplier;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * The operators of neural networks as functions of tensors: linear layers, layer norm, activations, embedding, attention,
 * top-k, grouped matrix products and AdamW. Results belong to the innermost open {@link Scope}.
 */
public final class Functions {

    private static final Operator GROUPED_MM = Operator.named("aten::_grouped_mm");
    private static final Operator SOFTMAX_BACKWARD = Operator.named("aten::_softmax_backward_data");
    private static final Operator SEARCH_SORTED = Operator.named("aten::searchsorted.Tensor");
    private static final Operator FUSED_ADAMW = Operator.named("aten::_fused_adamw_");

    private Functions() {}

    /** x · Wᵀ + b with x {@code [rows, in]}, W {@code [out, in]}, b {@code [out]}. */
    public static Tensor linear(Tensor x, Tensor weight, Tensor bias) {
        Tensor columns = weight.t();
        if (ParallelMatmul.handles(x, columns)) {
            return Tensor.empty(x.dtype(), x.device(), x.size(0), weight.size(0))
                    .copy(bias)
                    .addProductInPlace(x, columns);
        }
        try (TensorOptional optional = new TensorOptional(bias.handle())) {
            return Tensor.op("linear", () -> torch.linear(x.handle(), weight.handle(), optional), x, weight, bias);
        }
    }

    /** x · Wᵀ with x {@code [rows, in]}, W {@code [out, in]}. */
    public static Tensor linear(Tensor x, Tensor weight) {
        return x.matmul(weight.t());
    }

    /** Layer norm over the last dimension (Ba et al. 2016) with weight and bias {@code [model]}. */
    public static Tensor layerNorm(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        try (TensorOptional w = new TensorOptional(weight.handle());
                TensorOptional b = new TensorOptional(bias.handle())) {
            long[] normalized = {x.size(-1)};
            return Tensor.op(
                    "layer_norm", () -> torch.layer_norm(x.handle(), normalized, w, b, epsilon, false), x, weight);
        }
    }

    /**
     * Layer norm with the statistics that its backward pass needs: returns the result, and the mean and the reciprocal
     * standard deviation of each row.
     */
    public static Tensor[] layerNormWithStatistics(Tensor x, Tensor weight, Tensor bias, double epsilon) {
        try (TensorOptional w = new TensorOptional(weight.handle());
                TensorOptional b = new TensorOptional(bias.handle())) {
            return triple(
                    "native_layer_norm",
                    () -> torch.native_layer_norm(x.handle(), new long[] {x.size(-1)}, w, b, epsilon),
                    x,
                    weight);
        }
    }

    /**
     * The backward pass of {@link #layerNorm}: returns the gradients of x, weight and bias.
     *
     * @param gradient the gradient of the result
     * @param mean the mean of each row, from {@link #layerNormWithStatistics}
     * @param deviation the reciprocal standard deviation of each row, from {@link #layerNormWithStatistics}
     */
    public static Tensor[] layerNormBackward(
            Tensor gradient, Tensor x, Tensor mean, Tensor deviation, Tensor weight, Tensor bias) {
        try (TensorOptional w = new TensorOptional(weight.handle());
                TensorOptional b = new TensorOptional(bias.handle());
                BoolPointer all = new BoolPointer(3)) {
            all.put(0, true).put(1, true).put(2, true);
            return triple(
                    "native_layer_norm_backward",
                    () -> torch.native_layer_norm_backward(
                            gradient.handle(),
                            x.handle(),
                            new long[] {x.size(-1)},
                            mean.handle(),
                            deviation.handle(),
                            w,
                            b,
                            all),
                    gradient,
                    x);
        }
    }

    private static Tensor[] triple(
            String name, Supplier<org.bytedeco.pytorch.T_TensorTensorTensor_T> call, Tensor... inputs) {
        try (var results = call.get()) {
            return new Tensor[] {
                Scope.adoptCopy(results.get0()), Scope.adoptCopy(results.get1()), Scope.adoptCopy(results.get2())
            };
        } catch (RuntimeException e) {
            throw TensorException.of(name, e, inputs);
        }
    }

    /** Softmax over the last dimension, written to {@code result}; returns {@code result}, which may be {@code x}. */
    public static Tensor softmax(Tensor x, Tensor result) {
        return result.inPlace("softmax", () -> torch.softmax_out(result.handle(), x.handle(), -1), x, result);
    }

    /**
     * The backward pass of a softmax over the last dimension: returns the gradient of its input.
     *
     * @param gradient the gradient of the result
     * @param softmax the result
     */
    public static Tensor softmaxBackward(Tensor gradient, Tensor softmax) {
        return SOFTMAX_BACKWARD.call(
                gradient, softmax, -1L, (long) softmax.dtype().scalarType().value);
    }

    /**
     * GELU with the error function (Hendrycks and Gimpel 2016), not its tanh approximation, written to {@code result};
     * returns {@code result}.
     */
    public static Tensor gelu(Tensor x, Tensor result) {
        return result.inPlace("gelu", () -> torch.gelu_out(result.handle(), x.handle()), x, result);
    }

    /** Writes the gradient of {@link #gelu} at {@code x} to {@code result}, given the gradient of its output; returns it. */
    public static Tensor geluBackward(Tensor gradient, Tensor x, Tensor result) {
        return result.inPlace(
                "gelu_backward",
                () -> torch.gelu_backward_out(result.handle(), gradient.handle(), x.handle()),
                gradient,
                x,
                result);
    }

    /** max(x, 0), written to {@code result}; returns {@code result}. */
    public static Tensor relu(Tensor x, Tensor result) {
        return result.inPlace("relu", () -> torch.relu_out(result.handle(), x.handle()), x, result);
    }

    /** Writes the gradient of {@link #relu} at {@code x} to {@code result}, given the gradient of its output; returns it. */
    public static Tensor reluBackward(Tensor gradient, Tensor x, Tensor result) {
        try (var zero = new org.bytedeco.pytorch.Scalar(0.0)) {
            return result.inPlace(
                    "threshold_backward",
                    () -> torch.threshold_backward_out(result.handle(), gradient.handle(), x.handle(), zero),
                    gradient,
                    x,
                    result);
        }
    }

    /** SiLU x · sigmoid(x) (Elfwing et al. 2018), written to {@code result}; returns {@code result}. */
    public static Tensor silu(Tensor x, Tensor result) {
        return result.inPlace("silu", () -> torch.silu_out(result.handle(), x.handle()), x, result);
    }

    /** Writes the gradient of {@link #silu} at {@code x} to {@code result}, given the gradient of its output; returns it. */
    public static Tensor siluBackward(Tensor gradient, Tensor x, Tensor result) {
        return result.inPlace(
                "silu_backward",
                () -> torch.silu_backward_out(result.handle(), gradient.handle(), x.handle()),
                gradient,
                x,
                result);
    }

    /** Replaces each element by its exponential; returns the tensor. */
    public static Tensor expInPlace(Tensor x) {
        return x.inPlace("exp_", () -> torch.exp_(x.handle()), x);
    }

    /** Looks up the rows of {@code table} {@code [vocabulary, model]} for int64 {@code ids} of any shape. */
    public static Tensor embedding(Tensor table, Tensor ids) {
        return Tensor.op("embedding", () -> torch.embedding(table.handle(), ids.handle()), table, ids);
    }

    /**
     * The gradient of {@link #embedding}'s table, {@code [vocabulary, model]}.
     *
     * @param gradient the gradient of the looked-up rows, {@code [..., model]}
     */
    public static Tensor embeddingBackward(Tensor gradient, Tensor ids, long vocabulary) {
        return Tensor.op(
                "embedding_dense_backward",
                () -> torch.embedding_dense_backward(gradient.handle(), ids.handle(), vocabulary, -1, false),
                gradient,
                ids);
    }

    /**
     * Causal attention softmax(q·kᵀ)·v by libtorch's fused kernel. The caller must have scaled q: the kernel does not
     * scale the scores.
     *
     * @param q queries {@code [sequences, heads, tokens, head]}; k and v have the same shape
     * @param mask replaces the causal mask if not null. It is added to the scores. Its type is q's type, and its shape
     *     broadcasts to {@code [sequences, heads, tokens, tokens]}.
     */
    public static Tensor causalAttention(Tensor q, Tensor k, Tensor v, @Nullable Tensor mask) {
        try (TensorOptional given = mask == null ? new TensorOptional() : new TensorOptional(mask.handle());
                DoubleOptional scale = new DoubleOptional(1.0)) {
            return Tensor.op(
                    "scaled_dot_product_attention",
                    () -> torch.scaled_dot_product_attention(
                            q.handle(), k.handle(), v.handle(), given, 0.0, mask == null, scale, false),
                    q,
                    k,
                    v);
        }
    }

    /** An additive causal mask {@code [length, length]}: 0 on and below the diagonal, −∞ above it. */
    public static Tensor causalMask(long length, DType dtype, Device device) {
        Tensor ahead = Tensor.full(Double.NEGATIVE_INFINITY, dtype, device, length, length);
        return ahead.inPlace("triu_", () -> ahead.handle().triu_(1), ahead);
    }

    /** The {@code count} largest elements along the last dimension, largest first: returns values and int64 indices. */
    public static Tensor[] topk(Tensor x, int count) {
        org.bytedeco.pytorch.T_TensorTensor_T pair;
        try {
            pair = torch.topk(x.handle(), count, -1, true, true);
        } catch (RuntimeException e) {
            throw TensorException.of("topk", e, x);
        }
        try (pair) {
            return new Tensor[] {Scope.adoptCopy(pair.get0()), Scope.adoptCopy(pair.get1())};
        }
    }

    /**
     * The int64 positions at which to insert {@code values} into a sorted vector, each after all equal elements.
     *
     * @param sorted {@code [n]} in ascending order
     */
    public static Tensor upperBound(Tensor sorted, Tensor values) {
        return SEARCH_SORTED.call(sorted, values, false, true, null, null);
    }

    /**
     * Grouped matrix product, such as one product per expert. Rows of {@code a} before {@code offsets[0]} are multiplied
     * by {@code b[0]}, the next rows up to {@code offsets[1]} by {@code b[1]}, and so on. The result has the shape {@code
     * [rows, outer]}.
     *
     * <p>If b has two dimensions, the groups partition the summed dimension, and the result has one matrix per group. A
     * weight gradient is such a product.
     *
     * <p>Result rows after the last offset are uninitialized. Do not read them.
     *
     * @param a {@code [rows, inner]}, or {@code [outer, rows]} if b has two dimensions
     * @param b {@code [groups, inner, outer]}, or {@code [rows, outer]}
     * @param offsets {@code [groups]} int32, the end of each group
     */
    public static Tensor groupedMatmul(Tensor a, Tensor b, Tensor offsets) {
        return GROUPED_MM.call(a, b, offsets, null, null);
    }

    /**
     * One fused AdamW update (Loshchilov and Hutter 2019) of flat vectors of one type, in place.
     *
     * @param step the number of this update, from 1, as a float32 scalar on the same device
     * @param gradientDivisor a float32 scalar that first divides the gradient (clipping, loss scaling), or null
     */
    public static void adamw(
            Tensor parameters,
            Tensor gradient,
            Tensor firstMoment,
            Tensor secondMoment,
            Tensor step,
            double learningRate,
            double beta1,
            double beta2,
            double weightDecay,
            double epsilon,
            @Nullable Tensor gradientDivisor) {
        FUSED_ADAMW.callInPlace(
                List.of(parameters),
                List.of(gradient),
                List.of(firstMoment),
                List.of(secondMoment),
                List.of(),
                List.of(step),
                learningRate,
                beta1,
                beta2,
                weightDecay,
                epsilon,
                false,
                false,
                gradientDivisor,
                null);
    }

    /** A native vector of the tensors' handles; the caller closes it. */
    public static TensorVector vector(Tensor... tensors) {
        TensorVector vector = new TensorVector(tensors.length);
        for (int i = 0; i < tensors.length; i++) {
            vector.put(i, tensors[i].handle());
        }
        return vector;
    }

    /** A mask {@code [flags]}: 1 where a flag is set, else 0. */
    public static Tensor mask(boolean[] flags, DType type, Device device) {
        float[] values = new float[flags.length];
        for (int i = 0; i < flags.length; i++) {
            values[i] = flags[i] ? 1 : 0;
        }
        return Tensor.of(values).to(type).to(device);
    }
}
