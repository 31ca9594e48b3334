package dev.moe4j.base.primitive;

import java.util.Arrays;

/** A growing list of longs, without boxing. */
public final class LongList {
    private long[] values = new long[4];
    private int size;

    public void add(long value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, Math.addExact(size, size));
        }
        values[size++] = value;
    }

    public long get(int index) {
        return values[index];
    }

    public int size() {
        return size;
    }

    public long[] toArray() {
        return Arrays.copyOf(values, size);
    }
}
