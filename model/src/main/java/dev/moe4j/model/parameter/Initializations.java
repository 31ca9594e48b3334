package dev.moe4j.model.parameter;

import dev.moe4j.tensor.parameter.Parameter.Initialization;

/** The initial values of the published system. */
public final class Initializations {

    static final Initialization ZERO = (part, key) -> part.zero();
    static final Initialization ONE = (part, key) -> part.fill(1);

    private Initializations() {}

    /** U(±1/√fanIn), the default of linear layers for weights and biases. */
    public static Initialization fanIn(int fanIn) {
        double bound = 1 / Math.sqrt(fanIn);
        return (part, key) -> key.fillUniform(part, -bound, bound);
    }

    /** Xavier-uniform (Glorot and Bengio 2010) for a square projection of the given width. */
    static Initialization xavier(int width, double gain) {
        double bound = gain * Math.sqrt(6.0 / (2 * width));
        return (part, key) -> key.fillUniform(part, -bound, bound);
    }

    /** N(0, 1/width) for embedding tables, with a zero padding row; −1 for no padding row. */
    static Initialization embedding(int width, int padding) {
        return (part, key) -> {
            key.fillNormal(part, 1 / Math.sqrt(width));
            if (padding >= 0) {
                part.select(0, padding).zero();
            }
        };
    }
}
