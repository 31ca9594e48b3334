package dev.moe4j.base.primitive;

/**
 * The output function of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64-bit numbers, in which each bit of the input
 * flips about half of the output bits.
 */
public final class SplitMix64 {
    private SplitMix64() {}

    public static long mix(long value) {
        long z = value + 0x9e3779b97f4a7c15L;
        z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
        z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
        return z ^ (z >>> 31);
    }

    /** The key of an epoch's random permutation. */
    public static long epochKey(long seed, long epoch) {
        return mix(mix(seed) ^ epoch);
    }
}
