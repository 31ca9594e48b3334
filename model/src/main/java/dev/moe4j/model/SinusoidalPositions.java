package dev.moe4j.model;

import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.Functions;
import dev.moe4j.tensor.Scope;
import dev.moe4j.tensor.Tensor;

/**
 * Sinusoidal positions as the published system has them: row p is [sin(p·f_0 … f_{h−1}), cos(p·f_0 … f_{h−1})] with
 * h = width / 2 and f_i = exp(−i · ln(10000) / (h − 1)); the halves are concatenated, not interleaved (Vaswani et al.
 * 2017 interleave).
 */
final class SinusoidalPositions {

    /** The row of padding, which is zero; a sequence's first token stands one further. */
    static final int PADDING_ROW = 1;

    /** The row of a sequence's first token. */
    static final int FIRST_ROW = PADDING_ROW + 1;

    private SinusoidalPositions() {}

    /**
     * The table {@code [rows, width]} in float32, computed in float32 throughout as the published one.
     *
     * @param paddingRow the row to set to zero; −1 for none
     */
    static Tensor table(int rows, int width, int paddingRow) {
        try (Scope scope = Scope.open()) {
            int half = width / 2;
            double scale = Math.log(10000) / (half - 1);
            Tensor frequencies = Functions.exp(
                    Tensor.arange(half, Device.CPU).to(DType.FLOAT32).mul(-scale));
            Tensor angles = Tensor.arange(rows, Device.CPU)
                    .to(DType.FLOAT32)
                    .unsqueeze(1)
                    .mul(frequencies.unsqueeze(0));
            Tensor table = Tensor.zeros(DType.FLOAT32, Device.CPU, rows, width);
            table.narrow(1, 0, half).copy(Functions.sin(angles));
            table.narrow(1, half, half).copy(Functions.cos(angles));
            if (paddingRow >= 0 && paddingRow < rows) {
                table.select(0, paddingRow).zero();
            }
            return scope.escape(table);
        }
    }

    /**
     * Each token's row: padding has {@link #PADDING_ROW}, other tokens count from {@link #FIRST_ROW}.
     *
     * @param padding the padding token's id, −1 where there is none
     */
    static long[] rows(TokenBatch batch, int padding) {
        long[] rows = new long[batch.tokens().length];
        int length = batch.length();
        for (int start = 0; start < rows.length; start += length) {
            int position = FIRST_ROW;
            for (int i = start; i < start + length; i++) {
                rows[i] = batch.tokens()[i] == padding ? PADDING_ROW : position++;
            }
        }
        return rows;
    }
}
