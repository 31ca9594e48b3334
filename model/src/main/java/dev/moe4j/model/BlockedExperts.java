package dev.moe4j.model;

import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Parameter;
import dev.moe4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * The CPU's way: each thread takes a block of one expert's rows through the expert, which stays in the core's cache on the
 * way, and no thread waits for another before the end.
 */
record BlockedExperts(Weights weights, Activation activation, ExpertRows rows) implements ExpertNetworks {

    /** The most rows of a block: docs/log.md has the measurement. */
    private static final int ROWS = 512;

    /** The least columns of a block of a weight's gradient. */
    private static final long COLUMNS = 256;

    /** A block of an expert's rows, or of the columns of its rows. */
    private record Block(int expert, long start, long size) {

        Tensor rows(Tensor all) {
            return all.narrow(0, start, size);
        }

        /** Multiplies rows of the block by theirs of a mask for all rows, null for none. */
        void multiply(Tensor rows, @Nullable Tensor mask) {
            if (mask != null) {
                rows.mulInPlace(rows(mask));
            }
        }

        /** The expert's part of a stacked parameter. */
        Tensor own(Tensor all) {
            return all.select(0, expert);
        }
    }

    @Override
    public Passed forward(Tensor x_RD, @Nullable Tensor mask_RF) {
        Tensor fc1Weight_EFD = weights.fc1Weight().tensor();
        Tensor fc1Bias_EF = weights.fc1Bias().tensor();
        Tensor fc2Weight_EDF = weights.fc2Weight().tensor();
        Tensor fc2Bias_ED = weights.fc2Bias().tensor();
        Tensor inner_RF = Tensor.empty(x_RD.dtype(), x_RD.device(), x_RD.size(0), weights.ffn());
        Tensor active_RF = inner_RF.emptyLike();
        Tensor y_RD = x_RD.emptyLike();
        run(blocksOfRows(), block -> {
            Tensor inner_NF = block.rows(inner_RF)
                    .setToProduct(block.rows(x_RD), block.own(fc1Weight_EFD).t())
                    .addInPlace(block.own(fc1Bias_EF));
            Tensor active_NF = activation.forward(inner_NF, block.rows(active_RF));
            block.multiply(active_NF, mask_RF);
            block.rows(y_RD)
                    .setToProduct(active_NF, block.own(fc2Weight_EDF).t())
                    .addInPlace(block.own(fc2Bias_ED));
        });
        return new Passed(inner_RF, active_RF, y_RD);
    }

    @Override
    public Tensor backward(
            Tensor gradient_RD, Tensor x_RD, Tensor inner_RF, Tensor active_RF, @Nullable Tensor mask_RF) {
        Tensor fc1Weight_EFD = weights.fc1Weight().tensor();
        Tensor fc2Weight_EDF = weights.fc2Weight().tensor();
        Tensor innerGradient_RF = inner_RF.emptyLike();
        Tensor xGradient_RD = x_RD.emptyLike();
        run(blocksOfRows(), block -> {
            Tensor activeGradient_NF = block.rows(gradient_RD).matmul(block.own(fc2Weight_EDF));
            block.multiply(activeGradient_NF, mask_RF);
            Tensor innerGradient_NF =
                    activation.backward(activeGradient_NF, block.rows(inner_RF), block.rows(innerGradient_RF));
            block.rows(xGradient_RD).setToProduct(innerGradient_NF, block.own(fc1Weight_EFD));
        });
        addGradients(gradient_RD, active_RF, weights.fc2Weight(), weights.fc2Bias());
        addGradients(innerGradient_RF, x_RD, weights.fc1Weight(), weights.fc1Bias());
        return xGradient_RD;
    }

    /**
     * Adds the gradients of one of the two layers' parameters, block by block of its results' columns.
     *
     * @param gradient_RO of the layer's results
     * @param x_RI what it was given
     */
    private void addGradients(Tensor gradient_RO, Tensor x_RI, Parameter weight, Parameter bias) {
        long columns = gradient_RO.size(1);
        run(blocksOfColumns(columns), block -> {
            int e = block.expert();
            if (rows.size(e) == 0) {
                weight.addGradientEntry(e, null);
                bias.addGradientEntry(e, null);
                return;
            }
            Tensor gradient_NB =
                    gradient_RO.narrow(0, rows.start(e), rows.size(e)).narrow(1, block.start(), block.size());
            long row = e * columns + block.start();
            weight.addGradientRows(row, gradient_NB.t(), x_RI.narrow(0, rows.start(e), rows.size(e)));
            bias.addGradientElements(row, gradient_NB.sum(0));
        });
        weight.entriesWritten();
        bias.entriesWritten();
    }

    private List<Block> blocksOfRows() {
        List<Block> blocks = new ArrayList<>();
        for (int e = 0; e < rows.experts(); e++) {
            for (int done = 0; done < rows.size(e); done += ROWS) {
                blocks.add(new Block(e, rows.start(e) + done, Math.min(ROWS, rows.size(e) - done)));
            }
        }
        return blocks;
    }

    /** Columns that take about as long as {@link #ROWS} rows do; one block of an expert without rows. */
    private List<Block> blocksOfColumns(long columns) {
        List<Block> blocks = new ArrayList<>();
        for (int e = 0; e < rows.experts(); e++) {
            long parts = Math.clamp(Math.ceilDiv(rows.size(e), ROWS), 1, Math.max(1, columns / COLUMNS));
            long size = Math.ceilDiv(columns, parts);
            for (long start = 0; start < columns; start += size) {
                blocks.add(new Block(e, start, Math.min(size, columns - start)));
            }
        }
        return blocks;
    }

    private static void run(List<Block> blocks, Consumer<Block> task) {
        ParallelTasks.run(blocks.size(), i -> task.accept(blocks.get(i)));
    }
}
