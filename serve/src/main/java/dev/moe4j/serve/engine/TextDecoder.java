package dev.moe4j.serve.engine;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Turns the bytes of tokens, one after the other, into text. A token may end inside a character: its rest waits for the
 * next one. Bytes that are no UTF-8 become U+FFFD.
 */
final class TextDecoder {
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] rest = {};

    /** The characters that these bytes complete. */
    String add(byte[] bytes) {
        return decode(bytes, false);
    }

    /** What is left, as U+FFFD if a character was not finished. */
    String end() {
        return decode(new byte[0], true);
    }

    /** The length of a text in Unicode characters (code points). */
    static int characters(String text) {
        return text.codePointCount(0, text.length());
    }

    private String decode(byte[] bytes, boolean end) {
        ByteBuffer in = ByteBuffer.allocate(rest.length + bytes.length)
                .put(rest)
                .put(bytes)
                .flip();
        CharBuffer out = CharBuffer.allocate(in.remaining() + 1);
        utf8.decode(in, out, end);
        if (end) {
            utf8.flush(out);
            utf8.reset();
        }
        rest = new byte[in.remaining()];
        in.get(rest);
        return out.flip().toString();
    }
}
