package dev.moe4j.tensor;

import java.nio.charset.StandardCharsets;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Generator;
import org.bytedeco.pytorch.GeneratorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * A random number's key: a value from which further keys are derived, never a state that advances. What is drawn
 * depends only on the key (say: seed, step, layer, site, sequence), so recomputation, resuming and any layout of
 * processes draw the same.
 *
 * @param value the key's 64 bits
 */
public record RandomKey(long value) {

    private static final int CHUNK = 1 << 16;

    /** The key of item {@code index} under this key. */
    public RandomKey fold(long index) {
        return new RandomKey(mix(value + 0x9e3779b97f4a7c15L * (index + 1)));
    }

    /** The key of what is called {@code name} under this key. */
    public RandomKey fold(String name) {
        long hash = 0xcbf29ce484222325L;
        for (byte b : name.getBytes(StandardCharsets.UTF_8)) {
            hash = (hash ^ b) * 0x100000001b3L;
        }
        return fold(mix(hash));
    }

    // The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /** Fills the tensor with U(low, high): the same numbers on every device, rounded to its type. */
    public void fillUniform(Tensor tensor, double low, double high) {
        SplittableRandom random = new SplittableRandom(value);
        fill(tensor, () -> low + (high - low) * random.nextDouble());
    }

    /** Fills the tensor with N(0, deviation²): the same numbers on every device, rounded to its type. */
    public void fillNormal(Tensor tensor, double deviation) {
        SplittableRandom random = new SplittableRandom(value);
        fill(tensor, () -> deviation * random.nextGaussian());
    }

    /**
     * A dropout mask [sequences, …] of zeros and 1/keep: each sequence's part is drawn under its own key, so that it
     * does not depend on which others share the batch.
     *
     * @param like gives type, device and shape; its first dimension is sequences
     * @param keep the probability of keeping an element
     * @param sequences the global number of each sequence
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

    /** Draws from a generator made for this call: the process-wide one of the device stays as it is. */
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
