package dev.moe4j.model.block;

import dev.moe4j.model.batch.Packing;
import dev.moe4j.model.batch.TokenBatch;
import dev.moe4j.tensor.Tensor;

/**
 * Sinusoidal positions of the published system. Row p is [sin(p·f_0 … f_{h−1}), cos(p·f_0 … f_{h−1})] with h = width /
 * 2 and f_i = exp(−i · ln(10000) / (h − 1)). The two halves are concatenated, whereas Vaswani et al. (2017) interleave
 * them.
 */
public final class SinusoidalPositions {

    /** The row of padding, which is zero. */
    public static final int PADDING_ROW = 1;

    /** The row of a sequence's first token. */
    public static final int FIRST_ROW = PADDING_ROW + 1;

    /**
     * The vector width of the published computation. If one angle of a vector is large, all its angles are reduced
     * precisely.
     */
    private static final int LANES = 8;

    private SinusoidalPositions() {}

    /**
     * The table {@code [rows, width]} in float32, bitwise equal to the published one. For an odd width, the last column
     * is zero.
     *
     * @param paddingRow the row to set to zero; −1 for none
     */
    public static Tensor table(int rows, int width, int paddingRow) {
        int half = width / 2;
        float scale = (float) -(Math.log(10000) / (half - 1));
        float[] frequencies = new float[half];
        for (int i = 0; i < half; i++) {
            frequencies[i] = SingleMath.exp((float) i * scale);
        }
        float[] table = new float[rows * width];
        float[] angles = new float[LANES];
        for (int from = 0; from < rows * half; from += LANES) {
            int lanes = Math.min(LANES, rows * half - from);
            float largest = 0;
            for (int lane = 0; lane < lanes; lane++) {
                int row = (from + lane) / half;
                angles[lane] = row * frequencies[(from + lane) % half];
                largest = Math.max(largest, angles[lane]);
            }
            for (int lane = 0; lane < lanes; lane++) {
                int row = (from + lane) / half;
                if (row != paddingRow) {
                    int at = row * width + (from + lane) % half;
                    table[at] = SingleMath.sin(angles[lane], largest >= SingleMath.LARGE_ANGLE);
                    table[at + half] = SingleMath.cos(angles[lane], largest >= SingleMath.LARGE_ANGLE);
                }
            }
        }
        return Tensor.of(table).view(rows, width);
    }

    /** The number of table rows for sequences of the given length in tokens. */
    public static int rows(int context) {
        return Math.addExact(context, FIRST_ROW);
    }

    /**
     * Each token's row in the position table. Padding has {@link #PADDING_ROW}. Other tokens count from {@link
     * #FIRST_ROW}, in their sequence or, if the batch's packing resets positions, in their document.
     *
     * @param padding the padding token's id, −1 for none
     */
    public static long[] rows(TokenBatch batch, int padding) {
        long[] rows = new long[batch.tokens().length];
        int length = batch.length();
        Packing packing = batch.packing();
        boolean[] none = batch.padding(padding);
        int position = FIRST_ROW;
        for (int i = 0; i < rows.length; i++) {
            boolean first =
                    (packing != null && packing.resetPositions()) ? packing.isFirst(i, length) : i % length == 0;
            if (first) {
                position = FIRST_ROW;
            }
            rows[i] = (none != null && none[i]) ? PADDING_ROW : position++;
        }
        return rows;
    }
}
