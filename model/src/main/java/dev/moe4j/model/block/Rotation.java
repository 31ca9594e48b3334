package dev.moe4j.model.block;

import dev.moe4j.model.spec.ModelConfig;
import dev.moe4j.tensor.DType;
import dev.moe4j.tensor.Device;
import dev.moe4j.tensor.ParallelTasks;
import dev.moe4j.tensor.Tensor;

/**
 * Rotary position embedding (RoPE, Su et al. 2021) of a pass's tokens. It rotates pairs of a head's elements, element i
 * with element i + R of the first 2R, by the token's position times theta^(−i/R). Further elements stay as they are.
 *
 * <p>Shapes: T tokens, M tokens of a task, J heads, C head width, R rotated pairs.
 *
 * @param cos_T1R the cosines of each token's angles, in at least float32
 * @param sin_T1R their sines
 */
public record Rotation(Tensor cos_T1R, Tensor sin_T1R) {

    /** The most elements of a task on a CPU: 512 KiB in float32. */
    private static final long TASK_ELEMENTS = 1 << 17;

    /**
     * The rotation of tokens.
     *
     * @param rows each token's row in the position table, as {@link SinusoidalPositions#rows} gives it
     * @param type the type of the angles' functions
     */
    public static Rotation of(ModelConfig config, DType type, Device device, long... rows) {
        int pairs = config.rope().rotated(config.headWidth()) / 2;
        double[] cos = new double[rows.length * pairs];
        double[] sin = new double[rows.length * pairs];
        double[] frequencies = new double[pairs];
        for (int i = 0; i < pairs; i++) {
            frequencies[i] = Math.pow(config.rope().theta(), -(double) i / pairs);
        }
        for (int token = 0; token < rows.length; token++) {
            long position = Math.max(0, rows[token] - SinusoidalPositions.FIRST_ROW);
            for (int i = 0; i < pairs; i++) {
                double angle = position * frequencies[i];
                cos[token * pairs + i] = Math.cos(angle);
                sin[token * pairs + i] = Math.sin(angle);
            }
        }
        return new Rotation(
                Tensor.of(cos).to(type).view(rows.length, 1, pairs).to(device),
                Tensor.of(sin).to(type).view(rows.length, 1, pairs).to(device));
    }

    /** The rotated heads {@code [tokens, heads, head width]}. libtorch can derive the backward pass. */
    Tensor apply(Tensor x_TJC) {
        long pairs = cos_T1R.size(2);
        Tensor first_TJR = x_TJC.narrow(2, 0, pairs).to(cos_T1R.dtype());
        Tensor second_TJR = x_TJC.narrow(2, pairs, pairs).to(cos_T1R.dtype());
        return Tensor.concat(
                2,
                first_TJR.mul(cos_T1R).sub(second_TJR.mul(sin_T1R)).to(x_TJC.dtype()),
                second_TJR.mul(cos_T1R).add(first_TJR.mul(sin_T1R)).to(x_TJC.dtype()),
                x_TJC.narrow(2, 2 * pairs, x_TJC.size(2) - 2 * pairs));
    }

    /**
     * Rotates heads in place.
     *
     * @param direction 1 for the forward pass; −1 turns back, which is the backward pass
     */
    void applyInPlace(Tensor x_TJC, int direction) {
        long tokens = x_TJC.size(0);
        long pairs = cos_T1R.size(2);
        long each = x_TJC.device().isCuda()
                ? Math.max(1, tokens)
                : Math.max(1, TASK_ELEMENTS / (x_TJC.size(1) * x_TJC.size(2)));
        ParallelTasks.run((int) Math.ceilDiv(tokens, each), i -> {
            long n = Math.min(each, tokens - i * each);
            Tensor x_MJC = x_TJC.narrow(0, i * each, n);
            Tensor cos_M1R = cos_T1R.narrow(0, i * each, n);
            Tensor sin_M1R = sin_T1R.narrow(0, i * each, n);
            Tensor first_MJR = x_MJC.narrow(2, 0, pairs);
            Tensor second_MJR = x_MJC.narrow(2, pairs, pairs);
            Tensor wideFirst_MJR = first_MJR.to(cos_T1R.dtype());
            Tensor wideSecond_MJR = second_MJR.to(cos_T1R.dtype());
            Tensor turned_MJR = wideFirst_MJR.mul(cos_M1R).addProductOfElements(wideSecond_MJR, sin_M1R, -direction);
            second_MJR.copy(wideSecond_MJR.mul(cos_M1R).addProductOfElements(wideFirst_MJR, sin_M1R, direction));
            first_MJR.copy(turned_MJR);
        });
    }
}
