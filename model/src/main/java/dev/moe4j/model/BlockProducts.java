package dev.moe4j.model;

import dev.moe4j.tensor.FloatMatrix;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Tensor;
import java.util.function.Consumer;

/**
 * The products of one of the experts' layers, y = x · Wᵀ + b, for one block after the other. Each method is given all
 * experts' tensors, and gives what to do with a block of them. Every implementation gives the same numbers and passes the
 * same tests.
 */
enum BlockProducts {
    /** By libtorch: a tensor for each part, on any number of rows and in every type. */
    TENSORS {
        @Override
        Consumer<Block> forward(Tensor x_RI, Tensor weight_EOI, Tensor bias_EO, Tensor y_RO) {
            return block -> block.rows(y_RO)
                    .setToProduct(
                            block.rows(x_RI),
                            weight_EOI.select(0, block.expert()).t())
                    .addInPlace(bias_EO.select(0, block.expert()));
        }

        @Override
        Consumer<Block> backward(Tensor gradient_RO, Tensor weight_EOI, Tensor xGradient_RI) {
            return block -> block.rows(xGradient_RI)
                    .setToProduct(block.rows(gradient_RO), weight_EOI.select(0, block.expert()));
        }

        @Override
        Consumer<Columns> gradients(Tensor gradient_RO, Tensor x_RI, Parameter weight, Parameter bias) {
            return columns -> {
                Block block = columns.block();
                Tensor gradient_NB = block.rows(gradient_RO).narrow(1, columns.start(), columns.size());
                long row = block.expert() * gradient_RO.size(1) + columns.start();
                weight.addGradientRows(row, gradient_NB.t(), block.rows(x_RI));
                bias.addGradientElements(row, gradient_NB.sum(0));
            };
        }
    },
    /** By OpenBLAS at once: float32 only. */
    FLOATS {
        @Override
        Consumer<Block> forward(Tensor x_RI, Tensor weight_EOI, Tensor bias_EO, Tensor y_RO) {
            FloatMatrix x = FloatMatrix.of(x_RI);
            FloatMatrix weights = FloatMatrix.of(weight_EOI);
            FloatMatrix biases = FloatMatrix.of(bias_EO);
            FloatMatrix y = FloatMatrix.of(y_RO);
            return block -> {
                FloatMatrix rows = block.rows(y);
                rows.fillRows(biases.rows(block.expert(), 1));
                rows.addProduct(
                        block.rows(x), block.own(weights, biases.columns()).t());
            };
        }

        @Override
        Consumer<Block> backward(Tensor gradient_RO, Tensor weight_EOI, Tensor xGradient_RI) {
            FloatMatrix gradient = FloatMatrix.of(gradient_RO);
            FloatMatrix weights = FloatMatrix.of(weight_EOI);
            FloatMatrix xGradient = FloatMatrix.of(xGradient_RI);
            return block ->
                    block.rows(xGradient).setToProduct(block.rows(gradient), block.own(weights, gradient.columns()));
        }

        @Override
        Consumer<Columns> gradients(Tensor gradient_RO, Tensor x_RI, Parameter weight, Parameter bias) {
            FloatMatrix gradient = FloatMatrix.of(gradient_RO);
            FloatMatrix x = FloatMatrix.of(x_RI);
            return columns -> {
                Block block = columns.block();
                FloatMatrix part = block.rows(gradient).columns(columns.start(), columns.size());
                weight.addGradientRows(block.expert() * gradient.columns() + columns.start(), part.t(), block.rows(x));
                bias.addGradientSum(block.expert(), columns.start(), part);
            };
        }
    };

    /** Some of an expert's rows, those from {@code start} on among all experts'. */
    record Block(int expert, int start, int size) {

        Tensor rows(Tensor all) {
            return all.narrow(0, start, size);
        }

        FloatMatrix rows(FloatMatrix all) {
            return all.rows(start, size);
        }

        /** The expert's of all experts' weights, of which each has that many rows. */
        FloatMatrix own(FloatMatrix weights, int rows) {
            return weights.rows(expert * rows, rows);
        }
    }

    /** Some columns of an expert's rows. */
    record Columns(Block block, int start, int size) {}

    /** The faster way for experts of these weights {@code [experts, out, in]}. */
    static BlockProducts of(Parameter weights) {
        return FloatMatrix.suits(weights) ? FLOATS : TENSORS;
    }

    /** Writes y {@code [rows, out]}. */
    abstract Consumer<Block> forward(Tensor x_RI, Tensor weight_EOI, Tensor bias_EO, Tensor y_RO);

    /** Writes the gradient of x {@code [rows, in]}. */
    abstract Consumer<Block> backward(Tensor gradient_RO, Tensor weight_EOI, Tensor xGradient_RI);

    /** Adds the gradients of some rows of the weight and of their biases. */
    abstract Consumer<Columns> gradients(Tensor gradient_RO, Tensor x_RI, Parameter weight, Parameter bias);
}
