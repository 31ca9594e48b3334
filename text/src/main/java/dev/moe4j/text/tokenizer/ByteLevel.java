package dev.moe4j.text.tokenizer;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Optional;

/**
 * GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written: a byte that prints in
 * Latin-1 is itself, and the others, in order, are the characters from U+0100.
 */
public final class ByteLevel {
    private static final char[] CHARACTERS = new char[256];
    private static final int[] BYTES = new int[256 + 256];
    /** The bytes in the order of GPT-2's ids. */
    private static final int[] ORDER = new int[256];

    static {
        Arrays.fill(BYTES, -1);
        int next = 0;
        int last = 256;
        for (int b = 0; b < 256; b++) {
            if (prints(b)) {
                CHARACTERS[b] = (char) b;
                ORDER[next++] = b;
            }
        }
        for (int b = 0; b < 256; b++) {
            if (!prints(b)) {
                CHARACTERS[b] = (char) last++;
                ORDER[next++] = b;
            }
            BYTES[CHARACTERS[b]] = b;
        }
    }

    private ByteLevel() {}

    private static boolean prints(int b) {
        return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
    }

    /** The byte that has this id in GPT-2's vocabulary, from 0 to 255. */
    public static int byteOf(int id) {
        return ORDER[id];
    }

    /** The bytes, spelt. */
    static String spell(byte[] bytes) {
        StringBuilder spelt = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            spelt.append(CHARACTERS[b & 0xff]);
        }
        return spelt.toString();
    }

    /** The bytes that are spelt like this; none if something else is. */
    static Optional<byte[]> read(String spelt) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(spelt.length());
        for (int i = 0; i < spelt.length(); i++) {
            char c = spelt.charAt(i);
            if (c >= BYTES.length || BYTES[c] < 0) {
                return Optional.empty();
            }
            bytes.write(BYTES[c]);
        }
        return Optional.of(bytes.toByteArray());
    }
}
