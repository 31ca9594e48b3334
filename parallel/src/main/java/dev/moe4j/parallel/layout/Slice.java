package dev.moe4j.parallel.layout;

/**
 * A range of something that is divided among ranks: elements, experts, sequences.
 *
 * @param start its first
 * @param length how many
 */
public record Slice(long start, long length) {

    /** The first that lies behind it. */
    public long end() {
        return start + length;
    }

    public boolean contains(long index) {
        return index >= start && index < end();
    }
}
