package dev.moe4j.model.block;

import dev.moe4j.tensor.parameter.Parameter.Initialization;

/** The initial values of the published system. */
public final class Initializations {

    public static final Initialization ZERO = (part, key) -> part.zero();
    public static final Initialization ONE = (part, key) -> part.fill(1);

    private Initializations() {}

    /** U(±1/√fanIn), the default of linear layers for weights and biases. */
    public static Initialization fanIn(int fanIn) {
        double bound = 1 / Math.sqrt(fanIn);
        return (part, key) -> key.fillUniform(part, -bound, bound);
    }

    /** Xavier-uniform (Glorot and Bengio 2010) for a part {@code [out, in]}. */
    public static Initialization xavier(double gain) {
        return (part, key) -> {
            double bound = gain * Math.sqrt(6.0 / (part.size(0) + part.size(1)));
            key.fillUniform(part, -bound, bound);
        };
    }

    /** N(0, 1/width) for embedding tables, with a zero padding row; −1 for no padding row. */
    public static Initialization embedding(int width, int padding) {
        return (part, key) -> {
            key.fillNormal(part, 1 / Math.sqrt(width));
            if (padding >= 0) {
                part.select(0, padding).zero();
            }
        };
    }
}
