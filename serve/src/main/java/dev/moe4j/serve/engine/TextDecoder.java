package dev.moe4j.serve.engine;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;

/**
 * Decodes the bytes of successive tokens to text. If a token ends inside a UTF-8 character, the incomplete character waits
 * for the next token. Invalid UTF-8 becomes U+FFFD.
 */
final class TextDecoder {
    private final CharsetDecoder utf8 = StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPLACE)
            .onUnmappableCharacter(CodingErrorAction.REPLACE);
    private byte[] rest = {};

    /** Returns the characters that these bytes complete. */
    String add(byte[] bytes) {
        return decode(bytes, false);
    }

    /** Ends the text. Returns U+FFFD if the last character is incomplete. */
    String end() {
        return decode(new byte[0], true);
    }

    /** Returns the length of a text in Unicode code points. */
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
