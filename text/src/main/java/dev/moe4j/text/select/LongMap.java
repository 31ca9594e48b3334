package dev.moe4j.text.select;

import dev.moe4j.base.primitive.SplitMix64;
import dev.moe4j.text.DataException;
import java.util.Arrays;

/**
 * Maps 64-bit hashes to non-negative integers. It uses open addressing on primitive arrays: 12 bytes per slot, with at
 * most two thirds of the slots in use.
 */
public final class LongMap {
    private static final int ABSENT = -1;

    private long[] keys;
    private int[] values;
    private int size;

    /** Creates an empty map. */
    public LongMap() {
        keys = new long[16];
        values = new int[16];
        Arrays.fill(values, ABSENT);
    }

    /** Returns the value of a key, or -1 if the key is absent. */
    public int get(long key) {
        return values[slot(key)];
    }

    /**
     * Sets the value of a key if the key is absent. Returns the existing value, or -1 if the key was absent.
     *
     * @param value a non-negative value
     * @throws DataException if the map is full (2^30 slots)
     */
    public int putIfAbsent(long key, int value) {
        int slot = slot(key);
        int before = values[slot];
        if (before < 0) {
            insert(slot, key, value);
        }
        return before;
    }

    /**
     * Adds 1 to the value of a key and returns the new value. An absent key counts as 0.
     *
     * @throws DataException if the map is full (2^30 slots)
     */
    public int increment(long key) {
        int slot = slot(key);
        if (values[slot] < 0) {
            insert(slot, key, 1);
            return 1;
        }
        return ++values[slot];
    }

    /** Returns the number of keys. */
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
            throw new DataException("cannot hold more than " + size + " hashes in memory; give less text at a time");
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
