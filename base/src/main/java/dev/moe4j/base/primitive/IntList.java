package dev.moe4j.base.primitive;

import java.util.Arrays;
import java.util.function.IntConsumer;

/** A growing list of ints, without boxing. */
public final class IntList implements IntConsumer {
    private int[] values;
    private int size;

    public IntList(int capacity) {
        values = new int[capacity];
    }

    @Override
    public void accept(int value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, Math.addExact(size, Math.max(16, size >> 1)));
        }
        values[size++] = value;
    }

    public int get(int index) {
        return values[index];
    }

    public int size() {
        return size;
    }

    public int[] toArray() {
        return Arrays.copyOf(values, size);
    }
}
