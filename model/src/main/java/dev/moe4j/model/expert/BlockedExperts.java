package dev.moe4j.model.expert;

import dev.moe4j.model.block.InnerActivation;
import dev.moe4j.model.routing.ExpertRows;
import dev.moe4j.tensor.Libtorch;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Tensor;
import dev.moe4j.tensor.parameter.Parameter;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Expert networks on a CPU. Each thread runs some rows through both layers of their experts, so the rows stay in the
 * core's cache. Threads synchronise only at the end.
 */
record BlockedExperts(Weights weights, InnerActivation activation, ExpertRows rows) implements ExpertNetworks {

    /** The most rows of a block and of a task; docs/log.md has the measurement. */
    private static final int ROWS = 512;

    /** The fewest columns of a block of a weight's gradient. */
    private static final int COLUMNS = 256;

    /**
     * The minimum number of tasks per thread, if there are enough blocks. Experts have different sizes, so several
     * tasks balance the load.
     */
    private static final int TASKS = 4;

    /**
     * Some of an expert's rows.
     *
     * @param start the first row, among all experts' rows
     */
    private record Block(int expert, int start, int size) {

        Tensor rows(Tensor all) {
            return all.narrow(0, start, size);
        }

        /** Writes y = x · Wᵀ + b to the block's rows of {@code y_RO}. */
        void forward(Tensor x_RI, Parameter weight_EOI, @Nullable Parameter bias_EO, Tensor y_RO) {
            Tensor y_NO = rows(y_RO)
                    .setToProduct(
                            rows(x_RI), weight_EOI.tensor().select(0, expert).t());
            if (bias_EO != null) {
                y_NO.addInPlace(bias_EO.tensor().select(0, expert));
            }
        }
    }

    /** Some columns of an expert's rows. */
    private record Columns(Block block, int start, int size) {

        /** Adds the gradients of the corresponding rows of the weight and elements of the bias. */
        void addGradients(Tensor gradient_RO, Tensor x_RI, Parameter weight_EOI, @Nullable Parameter bias_EO) {
            Tensor gradient_NB = block.rows(gradient_RO).narrow(1, start, size);
            long row = block.expert() * gradient_RO.size(1) + start;
            weight_EOI.addGradientRows(row, gradient_NB.t(), block.rows(x_RI));
            if (bias_EO != null) {
                bias_EO.addGradientElements(row, gradient_NB.sum(0));
            }
        }
    }

    /** Consecutive blocks, computed by one thread. */
    private record Task(List<Block> blocks) {

        Tensor rows(Tensor all) {
            int start = blocks.getFirst().start();
            return all.narrow(
                    0, start, blocks.getLast().start() + blocks.getLast().size() - start);
        }

        /** Writes the gradient of x to {@code xGradient_NI}, the task's rows. */
        void backward(Tensor gradient_RO, Parameter weight_EOI, Tensor xGradient_NI) {
            for (Block block : blocks) {
                xGradient_NI
                        .narrow(0, block.start() - blocks.getFirst().start(), block.size())
                        .setToProduct(
                                block.rows(gradient_RO), weight_EOI.tensor().select(0, block.expert()));
            }
        }

        /** Multiplies the task's rows by their factors in a mask of all rows, unless the mask is null. */
        void multiply(Tensor rowsOfTask, @Nullable Tensor mask) {
            if (mask != null) {
                rowsOfTask.mulInPlace(rows(mask));
            }
        }
    }

    @Override
    public Passed forward(Tensor x_RD, @Nullable Tensor mask_RF) {
        Tensor inner = Tensor.empty(x_RD.dtype(), x_RD.device(), x_RD.size(0), activation.columns() * weights.ffn());
        Tensor active_RF = Tensor.empty(x_RD.dtype(), x_RD.device(), x_RD.size(0), weights.ffn());
        Tensor y_RD = x_RD.emptyLike();
        run(tasks(), task -> {
            task.blocks().forEach(block -> block.forward(x_RD, weights.fc1Weight(), weights.fc1Bias(), inner));
            Tensor active_NF = activation.forward(task.rows(inner), task.rows(active_RF));
            task.multiply(active_NF, mask_RF);
            task.blocks().forEach(block -> block.forward(active_RF, weights.fc2Weight(), weights.fc2Bias(), y_RD));
        });
        return new Passed(inner, active_RF, y_RD);
    }

    @Override
    public Tensor backward(Tensor gradient_RD, Tensor x_RD, Tensor inner, Tensor active_RF, @Nullable Tensor mask_RF) {
        Tensor innerGradient = inner.emptyLike();
        Tensor xGradient_RD = x_RD.emptyLike();
        run(tasks(), task -> {
            Tensor innerGradientOfTask = task.rows(innerGradient);
            // Without gates, the gradient of the activation's result takes the place of its input's gradient.
            Tensor activeGradient_NF = activation.gated()
                    ? Tensor.empty(inner.dtype(), inner.device(), innerGradientOfTask.size(0), weights.ffn())
                    : innerGradientOfTask;
            task.backward(gradient_RD, weights.fc2Weight(), activeGradient_NF);
            task.multiply(activeGradient_NF, mask_RF);
            activation.backward(activeGradient_NF, task.rows(inner), innerGradientOfTask);
            task.backward(innerGradient, weights.fc1Weight(), task.rows(xGradient_RD));
        });
        addGradients(gradient_RD, active_RF, weights.fc2Weight(), weights.fc2Bias());
        addGradients(innerGradient, x_RD, weights.fc1Weight(), weights.fc1Bias());
        return xGradient_RD;
    }

    /**
     * Adds the gradients of one layer's weight and bias, in blocks of output columns.
     *
     * @param gradient_RO the gradient of the layer's output
     * @param x_RI the layer's input
     */
    private void addGradients(Tensor gradient_RO, Tensor x_RI, Parameter weight, @Nullable Parameter bias) {
        run(columns((int) gradient_RO.size(1)), columns -> {
            Block block = columns.block();
            if (block.size() == 0) {
                weight.addGradientEntry(block.expert(), null);
                if (bias != null) {
                    bias.addGradientEntry(block.expert(), null);
                }
            } else {
                columns.addGradients(gradient_RO, x_RI, weight, bias);
            }
        });
        weight.entriesWritten();
        if (bias != null) {
            bias.entriesWritten();
        }
    }

    /** Groups small blocks into tasks, so that one activation operator covers several of them. */
    private List<Task> tasks() {
        List<Block> blocks = blocks();
        int most = Math.ceilDiv(blocks.size(), TASKS * Libtorch.threads());
        List<Task> tasks = new ArrayList<>();
        int first = 0;
        int size = 0;
        for (int i = 0; i < blocks.size(); i++) {
            int more = blocks.get(i).size();
            if (i > first && (size + more > ROWS || i - first == most)) {
                tasks.add(new Task(blocks.subList(first, i)));
                first = i;
                size = 0;
            }
            size += more;
        }
        if (first < blocks.size()) {
            tasks.add(new Task(blocks.subList(first, blocks.size())));
        }
        return tasks;
    }

    private List<Block> blocks() {
        List<Block> blocks = new ArrayList<>();
        for (int e = 0; e < rows.experts(); e++) {
            for (int done = 0; done < rows.size(e); done += ROWS) {
                blocks.add(new Block(e, rows.start(e) + done, Math.min(ROWS, rows.size(e) - done)));
            }
        }
        return blocks;
    }

    /**
     * Splits columns so that a part takes about as long as {@link #ROWS} rows do. An expert without rows has one part.
     */
    private List<Columns> columns(int count) {
        List<Columns> all = new ArrayList<>();
        for (int e = 0; e < rows.experts(); e++) {
            Block block = new Block(e, rows.start(e), rows.size(e));
            int parts = Math.clamp(Math.ceilDiv(block.size(), ROWS), 1, Math.max(1, count / COLUMNS));
            int size = Math.ceilDiv(count, parts);
            for (int start = 0; start < count; start += size) {
                all.add(new Columns(block, start, Math.min(size, count - start)));
            }
        }
        return all;
    }

    private static <T> void run(List<T> all, Consumer<T> task) {
        ParallelTasks.run(all.size(), i -> task.accept(all.get(i)));
    }
}
