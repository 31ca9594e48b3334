package dev.moe4j.parallel.layout;

/**
 * A contiguous range of elements, experts or sequences that belongs to one rank.
 *
 * @param start the index of the first item
 * @param length the number of items
 */
public record Slice(long start, long length) {

    /** Returns the index after the last item. */
    public long end() {
        return start + length;
    }
}
