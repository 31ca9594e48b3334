package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;
import java.util.Arrays;

/** Numbers by 64-bit hashes, without objects: 12 bytes an entry at a load of up to two thirds. */
public final class LongMap {
    private static final int ABSENT = -1;

    private long[] keys;
    private int[] values;
    private int size;

    public LongMap() {
        keys = new long[16];
        values = new int[16];
        Arrays.fill(values, ABSENT);
    }

    /** The value of a key; -1 if there is none. */
    public int get(long key) {
        return values[slot(key)];
    }

    /** Gives a key a value, which is not negative, unless it has one; returns the one it had, or -1. */
    public int putIfAbsent(long key, int value) {
        int slot = slot(key);
        int before = values[slot];
        if (before < 0) {
            insert(slot, key, value);
        }
        return before;
    }

    /** Adds one to the value of a key, which begins with 0, and returns it. */
    public int increment(long key) {
        int slot = slot(key);
        if (values[slot] < 0) {
            insert(slot, key, 1);
            return 1;
        }
        return ++values[slot];
    }

    public int size() {
        return size;
    }

    private void insert(int slot, long key, int value) {
        keys[slot] = key;
        values[slot] = value;
        if (++size > keys.length / 3 * 2) {
            grow();
        }
    }

    private void grow() {
        if (keys.length == 1 << 30) {
            throw new DataException("more than " + size + " entries are in memory; give less text at a time");
        }
        long[] oldKeys = keys;
        int[] oldValues = values;
        keys = new long[2 * oldKeys.length];
        values = new int[2 * oldKeys.length];
        Arrays.fill(values, ABSENT);
        for (int i = 0; i < oldKeys.length; i++) {
            if (oldValues[i] >= 0) {
                int slot = slot(oldKeys[i]);
                keys[slot] = oldKeys[i];
                values[slot] = oldValues[i];
            }
        }
    }

    private int slot(long key) {
        int mask = keys.length - 1;
        int at = (int) SplitMix64.mix(key) & mask;
        while (values[at] >= 0 && keys[at] != key) {
            at = (at + 1) & mask;
        }
        return at;
    }
}
