package dev.moe4j.data.shard;

import dev.moe4j.text.DataException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Optional;

/** The integer type of token ids in a file. The code is the type's number in the index file. */
public enum IdType {
    UINT8(1, 1),
    INT8(2, 1),
    INT16(3, 2),
    INT32(4, 4),
    INT64(5, 8),
    UINT16(8, 2);

    static final ValueLayout.OfShort SHORT = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfInt INT = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private static final VarHandle SHORTS =
            MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
    private static final VarHandle INTS = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);

    final byte code;
    /** The size of an id in bytes. */
    public final int width;

    IdType(int code, int width) {
        this.code = (byte) code;
        this.width = width;
    }

    /** Returns the type in which ids of a vocabulary with {@code size} entries are written. */
    public static IdType forVocabulary(int size) {
        return size <= 1 << 16 ? UINT16 : INT32;
    }

    static Optional<IdType> ofCode(byte code) {
        for (IdType type : values()) {
            if (type.code == code) {
                return Optional.of(type);
            }
        }
        return Optional.empty();
    }

    /**
     * Converts ids to file format. Supports only {@link #UINT16} and {@link #INT32}.
     *
     * @param from the index of the first id
     * @param count the number of ids
     * @param packed receives {@code count × width} bytes
     * @throws DataException if an id is outside the vocabulary
     */
    public void pack(int[] ids, int from, int count, int vocabularySize, byte[] packed) {
        int at = 0;
        for (int i = from; i < from + count; i++) {
            int id = ids[i];
            if (id < 0 || id >= vocabularySize) {
                throw new DataException("the id " + id + " is outside the vocabulary of " + vocabularySize
                        + "; use the tokenizer that made the ids");
            }
            if (this == UINT16) {
                SHORTS.set(packed, at, (short) id);
            } else {
                INTS.set(packed, at, id);
            }
            at += width;
        }
    }

    /**
     * Copies ids from a file.
     *
     * @param from the offset of the first id, in bytes
     * @return false if an id is negative or does not fit in 31 bits
     */
    boolean read(MemorySegment file, long from, int[] out, int at, int count) {
        int signs = 0;
        switch (this) {
            case UINT8 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = file.get(ValueLayout.JAVA_BYTE, from + i) & 0xff;
                }
            }
            case INT8 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = file.get(ValueLayout.JAVA_BYTE, from + i);
                    signs |= out[at + i];
                }
            }
            case UINT16 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = file.get(SHORT, from + 2L * i) & 0xffff;
                }
            }
            case INT16 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = file.get(SHORT, from + 2L * i);
                    signs |= out[at + i];
                }
            }
            case INT32 -> {
                for (int i = 0; i < count; i++) {
                    out[at + i] = file.get(INT, from + 4L * i);
                    signs |= out[at + i];
                }
            }
            case INT64 -> {
                for (int i = 0; i < count; i++) {
                    long id = file.get(LONG, from + 8L * i);
                    out[at + i] = (int) id;
                    signs |= (id >>> 31) == 0 ? 0 : -1;
                }
            }
        }
        return signs >= 0;
    }
}
