package dev.moe4j.base.text;

import java.io.IOException;
import java.io.InputStream;
import java.io.PushbackInputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Strings and UTF-8. */
public final class Utf8 {
    /** U+FEFF, which some editors and spreadsheets write before a text. */
    private static final byte[] MARK = {(byte) 0xef, (byte) 0xbb, (byte) 0xbf};

    private Utf8() {}

    /**
     * The text of these bytes.
     *
     * @throws CharacterCodingException if they are no UTF-8
     */
    public static String decode(byte[] bytes, int from, int count) throws CharacterCodingException {
        String text = new String(bytes, from, count, StandardCharsets.UTF_8);
        if (text.indexOf('\uFFFD') >= 0) { // a character like others, or put where bytes are wrong
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes, from, count));
        }
        return text;
    }

    /** The stream without the byte order mark that it may begin with. */
    public static InputStream withoutMark(InputStream in) throws IOException {
        PushbackInputStream pushback = new PushbackInputStream(in, MARK.length);
        byte[] first = pushback.readNBytes(MARK.length);
        if (!Arrays.equals(first, MARK)) {
            pushback.unread(first);
        }
        return pushback;
    }

    /** The text with U+FFFD for each surrogate that is not half of a pair; the same string if there is none. */
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

    /** Whether a byte is the second, third or fourth of a character's. */
    public static boolean continues(byte value) {
        return (value & 0xC0) == 0x80;
    }

    /** The first surrogate from an index on that is not half of a pair; -1 if there is none. */
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

    /** The number of bytes of a text in UTF-8; each lone surrogate counts as U+FFFD. */
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
