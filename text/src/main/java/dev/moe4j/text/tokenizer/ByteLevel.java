package dev.moe4j.text.tokenizer;

import java.io.ByteArrayOutputStream;
import java.util.Arrays;
import java.util.Optional;

/**
 * Converts between bytes and the printable characters of GPT-2's byte-level vocabularies. A byte that is printable in
 * Latin-1 maps to the same character. The other bytes map, in order, to the characters from U+0100.
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

    /** Returns the byte of an id from 0 to 255 in GPT-2's vocabulary. */
    public static int byteOf(int id) {
        return ORDER[id];
    }

    static String toCharacters(byte[] bytes) {
        StringBuilder characters = new StringBuilder(bytes.length);
        for (byte b : bytes) {
            characters.append(CHARACTERS[b & 0xff]);
        }
        return characters.toString();
    }

    /** Returns the bytes of a vocabulary entry; empty if it has a character that stands for no byte. */
    static Optional<byte[]> toBytes(String characters) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream(characters.length());
        for (int i = 0; i < characters.length(); i++) {
            char c = characters.charAt(i);
            if (c >= BYTES.length || BYTES[c] < 0) {
                return Optional.empty();
            }
            bytes.write(BYTES[c]);
        }
        return Optional.of(bytes.toByteArray());
    }
}
