package dev.moe4j.data;

import java.util.Arrays;
import java.util.function.IntConsumer;

/** Integers that grow. */
final class IntList implements IntConsumer {
    private int[] values;
    private int size;

    IntList(int capacity) {
        values = new int[capacity];
    }

    @Override
    public void accept(int value) {
        if (size == values.length) {
            values = Arrays.copyOf(values, Math.addExact(size, Math.max(16, size >> 1)));
        }
        values[size++] = value;
    }

    int get(int index) {
        return values[index];
    }

    int size() {
        return size;
    }

    int[] toArray() {
        return Arrays.copyOf(values, size);
    }
}
