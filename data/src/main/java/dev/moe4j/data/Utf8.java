package dev.moe4j.data;

/** Strings and UTF-8. */
final class Utf8 {
    private Utf8() {}

    /** The text with U+FFFD for each surrogate that is not half of a pair; the same string if there is none. */
    static String valid(String text) {
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

    private static int loneSurrogate(String text, int from) {
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
    static long length(String text) {
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
