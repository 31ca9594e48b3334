package dev.moe4j.model.expert;

import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.model.spec.Activation;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.cuda.Kernels;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The three matrix products of one expert layer, y = x · Wᵀ and its two gradients, over rows sorted by expert. All
 * implementations compute the same function and pass the same tests.
 */
public sealed interface ExpertProducts {

    /**
     * The implementation for these rows.
     *
     * @param weight {@code [experts, out, in]}; a sharded weight need not be gathered yet
     */
    static ExpertProducts of(ExpertRows rows, Parameter weight) {
        List<Long> shape = weight.spec().shape();
        Tensor copy = weight.tensor();
        return canGroup(copy.dtype(), shape.get(0), shape.get(2), shape.get(1)) && rows.count() > 0
                ? Grouped.of(rows, copy.device())
                : new Loop(rows);
    }

    /** The most products in one call of libtorch's grouped product on a GPU ({@code GroupMM.cu}). */
    int MOST_GROUPED = 1023;

    /**
     * Whether libtorch's grouped products support this case: bfloat16, rows of a multiple of 16 bytes, and not too many
     * experts.
     */
    static boolean canGroup(DType type, long experts, long in, long out) {
        return type == DType.BFLOAT16 && experts <= MOST_GROUPED && in % 8 == 0 && out % 8 == 0;
    }

    /**
     * y = x · Wᵀ for each expert's rows.
     *
     * @param x {@code [rows, in]}
     * @param weight {@code [experts, out, in]}
     */
    Tensor forward(Tensor x, Tensor weight);

    /**
     * The gradient of x, {@code [rows, in]}.
     *
     * @param gradient the gradient of y, {@code [rows, out]}
     */
    Tensor backward(Tensor gradient, Tensor weight);

    /** Adds the gradient of the weight. Rows without a token must have a zero gradient. */
    void weightGradient(Tensor gradient, Tensor x, Parameter weight);

    /**
     * Adds each expert's bias to its rows, including empty rows, which must hold a number.
     *
     * @param y {@code [rows, out]}, modified
     * @param bias {@code [experts, out]}
     */
    void addBias(Tensor y, Tensor bias);

    /**
     * Adds the bias like {@link #addBias}, and returns the activation of the rows.
     *
     * @param bias null for none
     */
    default Tensor activate(Tensor y, @Nullable Tensor bias, InnerActivation activation) {
        if (bias != null) {
            addBias(y, bias);
        }
        return activation.forward(y);
    }

    /**
     * The gradient of the input of {@link #activate}.
     *
     * @param gradient the gradient of its result; may be modified
     * @param inner the rows with their bias
     */
    default Tensor activationBackward(Tensor gradient, Tensor inner, InnerActivation activation) {
        return activation.backward(gradient, inner);
    }

    /** Adds the gradient of the bias, given the gradient of y. Rows without a token must have a zero gradient. */
    void biasGradient(Tensor gradient, Parameter bias);

    /** Loops over experts: the reference implementation. */
    record Loop(ExpertRows rows) implements ExpertProducts {

        @Override
        public Tensor forward(Tensor x, Tensor weight) {
            Tensor y = Tensor.empty(x.dtype(), x.device(), x.size(0), weight.size(1));
            for (int e = 0; e < rows.experts(); e++) {
                if (hasRows(e)) {
                    of(y, e).setToProduct(of(x, e), weight.select(0, e).t());
                }
            }
            return y;
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor weight) {
            Tensor x = Tensor.empty(gradient.dtype(), gradient.device(), gradient.size(0), weight.size(2));
            for (int e = 0; e < rows.experts(); e++) {
                if (hasRows(e)) {
                    of(x, e).setToProduct(of(gradient, e), weight.select(0, e));
                }
            }
            return x;
        }

        @Override
        public void weightGradient(Tensor gradient, Tensor x, Parameter weight) {
            for (int e = 0; e < rows.experts(); e++) {
                try (Scope _ = Scope.open()) {
                    if (hasRows(e)) {
                        weight.addGradientRows(
                                e * gradient.size(1), of(gradient, e).t(), of(x, e));
                    } else {
                        weight.addGradientEntry(e, null);
                    }
                }
            }
            weight.entriesWritten();
        }

        @Override
        public void addBias(Tensor y, Tensor bias) {
            for (int e = 0; e < rows.experts(); e++) {
                if (hasRows(e)) {
                    of(y, e).addInPlace(bias.select(0, e));
                }
            }
        }

        @Override
        public void biasGradient(Tensor gradient, Parameter bias) {
            for (int e = 0; e < rows.experts(); e++) {
                bias.addGradientEntry(e, hasRows(e) ? of(gradient, e).sum(0) : null);
            }
            bias.entriesWritten();
        }

        private boolean hasRows(int e) {
            return rows.size(e) > 0;
        }

        private Tensor of(Tensor all, int e) {
            return all.narrow(0, rows.start(e), rows.size(e));
        }
    }

    /**
     * One call for all experts, over rows whose ends the host knows. Like {@link OnDevice}, but experts may have no
     * rows.
     *
     * @param empty_E mask of experts without rows, bool; null if all have rows. Grouped products of some devices do not
     *     write the gradients of these experts.
     */
    record Grouped(OnDevice all, @Nullable Tensor empty_E) implements ExpertProducts {

        static Grouped of(ExpertRows rows, Device device) {
            long[] expertOf = new long[rows.count()];
            boolean[] none = new boolean[rows.experts()];
            boolean any = false;
            for (int e = 0; e < none.length; e++) {
                Arrays.fill(expertOf, rows.start(e), rows.start(e + 1), e);
                none[e] = rows.size(e) == 0;
                any |= none[e];
            }
            OnDevice all = new OnDevice(
                    Tensor.of(rows.ends()).to(device), Tensor.of(expertOf).to(device), null);
            return new Grouped(all, any ? Functions.mask(none, DType.BOOL, device) : null);
        }

        @Override
        public Tensor forward(Tensor x, Tensor weight) {
            return all.forward(x, weight);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor weight) {
            return all.backward(gradient, weight);
        }

        @Override
        public void weightGradient(Tensor gradient, Tensor x, Parameter weight) {
            weight.addGradient(written(all.weightGradient(gradient, x)));
        }

        @Override
        public void addBias(Tensor y, Tensor bias) {
            all.addBias(y, bias);
        }

        @Override
        public void biasGradient(Tensor gradient, Parameter bias) {
            bias.addGradient(written(all.biasGradient(gradient)));
        }

        /** A gradient {@code [experts, ...]}, set to zero for experts without rows. */
        private Tensor written(Tensor gradient) {
            if (empty_E == null) {
                return gradient;
            }
            long[] shape = new long[gradient.shape().length];
            Arrays.fill(shape, 1);
            shape[0] = gradient.size(0);
            return gradient.maskedFill(empty_E.view(shape), 0);
        }
    }

    /**
     * One call for all experts, over rows whose ends only the device knows. Products neither read nor write rows past
     * the last end.
     *
     * @param ends_E the end of each expert's rows, int32; each expert has at least one row
     * @param expertOf_R each row's expert, int64; any expert for rows past the last end
     * @param kernels used for bias and GELU; null for libtorch's operators
     */
    record OnDevice(
            Tensor ends_E, Tensor expertOf_R, @Nullable Kernels kernels) implements ExpertProducts {

        /** Grouped products need columns of a multiple of 16 bytes. */
        private static final int LEAST_COLUMNS = 8;

        /** The activation that has a fused kernel. */
        private static final InnerActivation PLAIN_GELU = new InnerActivation(Activation.GELU, false);

        @Override
        public Tensor forward(Tensor x, Tensor weight) {
            return Functions.groupedMatmul(x, weight.transpose(1, 2), ends_E);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor weight) {
            return Functions.groupedMatmul(gradient, weight, ends_E);
        }

        @Override
        public void weightGradient(Tensor gradient, Tensor x, Parameter weight) {
            weight.addGradient(weightGradient(gradient, x));
        }

        /** {@code [experts, out, in]}. */
        Tensor weightGradient(Tensor gradient, Tensor x) {
            return Functions.groupedMatmul(gradient.t(), x, ends_E);
        }

        @Override
        public void addBias(Tensor y, Tensor bias) {
            y.addInPlace(bias.indexSelect(0, expertOf_R));
        }

        @Override
        public Tensor activate(Tensor y, @Nullable Tensor bias, InnerActivation activation) {
            return kernels != null && bias != null && activation.equals(PLAIN_GELU)
                    ? kernels.biasGelu(y, bias, expertOf_R, ends_E)
                    : ExpertProducts.super.activate(y, bias, activation);
        }

        @Override
        public Tensor activationBackward(Tensor gradient, Tensor inner, InnerActivation activation) {
            if (kernels == null || !activation.equals(PLAIN_GELU)) {
                return ExpertProducts.super.activationBackward(gradient, inner, activation);
            }
            kernels.geluBackward(gradient, inner, ends_E);
            return gradient;
        }

        @Override
        public void biasGradient(Tensor gradient, Parameter bias) {
            bias.addGradient(biasGradient(gradient));
        }

        /** {@code [experts, out]}. */
        Tensor biasGradient(Tensor gradient) {
            // The sum over an expert's rows, as a product with ones.
            Tensor ones = Tensor.full(1, gradient.dtype(), gradient.device(), gradient.size(0), LEAST_COLUMNS);
            return Functions.groupedMatmul(gradient.t(), ones, ends_E).select(2, 0);
        }
    }
}
