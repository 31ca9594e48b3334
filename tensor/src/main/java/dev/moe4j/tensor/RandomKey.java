package dev.moe4j.tensor;

import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * A key for random numbers, from which further keys are derived. Unlike a generator it never advances. The
 * numbers depend only on the key, such as one derived from seed, step, layer, site and sequence. They are therefore the same
 * in activation recomputation, in a resumed run and in any layout of processes.
 *
 * @param value the key's 64 bits
 */
public record RandomKey(long value) {

    private static final int CHUNK = 1 << 16;

    /** The child key number {@code index}. */
    public RandomKey fold(long index) {
        return new RandomKey(mix(value + 0x9e3779b97f4a7c15L * (index + 1)));
    }

    /** The child key for {@code name}. */
    public RandomKey fold(String name) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b) * 0x100000001b3L;
        }
        return fold(mix(hash));
    }

    // The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /** Fills the tensor with draws from U(low, high), rounded to its type. They are the same on every device. */
    public void fillUniform(Tensor tensor, double low, double high) {
        SplittableRandom random = new SplittableRandom(value);
        fill(tensor, () -> low + (high - low) * random.nextDouble());
    }

    /** Fills the tensor with draws from N(0, deviation²), rounded to its type. They are the same on every device. */
    public void fillNormal(Tensor tensor, double deviation) {
        SplittableRandom random = new SplittableRandom(value);
        fill(tensor, () -> deviation * random.nextGaussian());
    }

    /**
     * A dropout mask {@code [sequences, …]} with the values 0 and 1/keep. Each sequence's part is drawn with a key for this
     * sequence. It does not depend on the other sequences of the batch.
     *
     * @param like a tensor {@code [sequences, …]} with the type, device and shape of the mask
     * @param keep the probability of keeping an element
     * @param sequences the global number of each sequence
     * @throws TensorException if the number of sequences does not fit {@code like}
     */
    public Tensor dropoutMask(Tensor like, double keep, long[] sequences) {
        Tensor mask = like.emptyLike();
        if (like.size(0) != sequences.length) {
            throw new TensorException("a dropout mask for " + like.describe() + " needs " + like.size(0)
                    + " sequence numbers, not " + sequences.length);
        }
        try (Scope _ = Scope.open()) {
            for (int i = 0; i < sequences.length; i++) {
                fold(sequences[i]).fillBernoulli(mask.select(0, i), keep);
            }
            mask.mulInPlace(1 / keep);
        }
        return mask;
    }

    /** Draws from a generator that only this call uses. The device's process-wide generator does not change. */
    private void fillBernoulli(Tensor tensor, double probability) {
        try (org.bytedeco.pytorch.Device where = tensor.device().handle();
                Generator own = torch.globalContext().defaultGenerator(where).clone();
                GeneratorOptional optional = new GeneratorOptional(own)) {
            own.set_current_seed(value);
            tensor.handle().bernoulli_(probability, optional);
        }
    }

    private interface Source {
        double next();
    }

    private static void fill(Tensor tensor, Source source) {
        long elements = tensor.elements();
        try (Scope _ = Scope.open()) {
            Tensor flat = tensor.view(elements);
            for (long from = 0; from < elements; from += CHUNK) {
                int n = (int) Math.min(CHUNK, elements - from);
                double[] values = new double[n];
                for (int i = 0; i < n; i++) {
                    values[i] = source.next();
                }
                try (Scope _ = Scope.open()) {
                    flat.narrow(0, from, n).copy(Tensor.of(values));
                }
            }
        }
    }
}
