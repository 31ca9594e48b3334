package dev.moe4j.base.text;

import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Converts between UTF-8 and strings, and repairs invalid strings. */
public final class Utf8 {
    /** The byte order mark U+FEFF, which some editors and spreadsheets write at the start of a file. */
    private static final byte[] MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};

    private Utf8() {}

    /**
     * Decodes bytes.
     *
     * @throws CharacterCodingException if the bytes are not valid UTF-8
     */
    public static String decode(byte[] bytes, int from, int count) throws CharacterCodingException {
        String text = new String(bytes, from, count, StandardCharsets.UTF_8);
        if (text.indexOf('\uFFFD') >= 0) { // either part of the text, or a replacement of invalid bytes
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, from, count));
        }
        return text;
    }

    /** Returns the stream without its byte order mark, if any. */
    public static InputStream withoutMark(InputStream in) throws IOException {
        PushbackInputStream pushback = new PushbackInputStream(in, MARK.length);
        byte[] first = pushback.readNBytes(MARK.length);
        if (!Arrays.equals(first, MARK)) {
            pushback.unread(first);
        }
        return pushback;
    }

    /** Replaces each unpaired surrogate by U+FFFD. Returns the same string if all surrogates are paired. */
    public static String valid(String text) {
        int bad = loneSurrogate(text, 0);
        if (bad < 0) {
            return text;
        }
        StringBuilder fixed = new StringBuilder(text);
        for (; bad >= 0; bad = loneSurrogate(text, bad + 1)) {
            fixed.setCharAt(bad, '\uFFFD');
        }
        return fixed.toString();
    }

    /** Whether a byte is a continuation byte: the second, third or fourth of a character. */
    public static boolean continues(byte value) {
        return (value & 0xC0) == 0x80;
    }

    /** The index of the first unpaired surrogate at or after {@code from}; -1 if all are paired. */
    public static int loneSurrogate(String text, int from) {
        int i = from;
        while (i < text.length()) {
            char c = text.charAt(i);
            if (!Character.isSurrogate(c)) {
                i++;
            } else if (i + 1 < text.length() && Character.isSurrogatePair(c, text.charAt(i + 1))) {
                i += 2;
            } else {
                return i;
            }
        }
        return -1;
    }

    /** The length of a string in UTF-8, in bytes. An unpaired surrogate counts as U+FFFD. */
    public static long length(String text) {
        long bytes = text.length();
        int i = 0;
        while (i < text.length()) {
            char c = text.charAt(i++);
            if (c >= 0x80) {
                bytes++;
                if (c >= 0x800) {
                    bytes++;
                    if (Character.isHighSurrogate(c) && i < text.length() && Character.isLowSurrogate(text.charAt(i))) {
                        i++; // two chars, four bytes: 2 + 2
                    }
                }
            }
        }
        return bytes;
    }
}
