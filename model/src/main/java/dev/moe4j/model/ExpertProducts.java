package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;

/**
 * The three products of one of the experts' layers, y = x · Wᵀ, over rows sorted by expert. Every implementation gives
 * the same numbers and passes the same tests.
 */
sealed interface ExpertProducts {

    /**
     * The implementation for that many rows of each expert.
     *
     * @param weight {@code [experts, out, in]}
     */
    static ExpertProducts of(ExpertRows rows, Tensor weight) {
        // libtorch's grouped products are for bfloat16, and want rows of a multiple of 16 bytes.
        boolean grouped = weight.dtype() == DType.BFLOAT16
                && weight.size(1) % 8 == 0
                && weight.size(2) % 8 == 0
                && rows.start(rows.experts()) > 0;
        return grouped ? Grouped.of(rows, weight.device()) : new Loop(rows);
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
     * @param gradient of y, {@code [rows, out]}
     */
    Tensor backward(Tensor gradient, Tensor weight);

    /** Adds the gradient of the weight; rows that hold no token have a gradient of zero. */
    void weightGradient(Tensor gradient, Tensor x, Parameter weight);

    /** One expert after the other: the reference. */
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
                    weight.addGradientEntry(e, hasRows(e) ? of(gradient, e).t().matmul(of(x, e)) : null);
                }
            }
            weight.entriesWritten();
        }

        private boolean hasRows(int e) {
            return rows.start(e + 1) > rows.start(e);
        }

        private Tensor of(Tensor all, int e) {
            return all.narrow(0, rows.start(e), rows.start(e + 1) - rows.start(e));
        }
    }

    /** One call for all experts: less overhead where each has few rows. */
    record Grouped(ExpertRows rows, Tensor ends) implements ExpertProducts {

        static Grouped of(ExpertRows rows, Device device) {
            return new Grouped(rows, Tensor.of(rows.ends()).to(device));
        }

        @Override
        public Tensor forward(Tensor x, Tensor weight) {
            return Functions.groupedMatmul(x, weight.transpose(1, 2), ends);
        }

        @Override
        public Tensor backward(Tensor gradient, Tensor weight) {
            return Functions.groupedMatmul(gradient, weight, ends);
        }

        @Override
        public void weightGradient(Tensor gradient, Tensor x, Parameter weight) {
            // A grouped product would write all experts' gradients in the compute type and read them again to add
            // them to the unit; one expert's stay in the cache on the way.
            new Loop(rows).weightGradient(gradient, x, weight);
        }
    }
}
