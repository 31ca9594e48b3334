package dev.moe4j.serve.http;

import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/** Formats single tokens as text, as OpenAI's API does. */
public final class TokenTexts {

    /** The text for the end-of-text token of every tokenizer. */
    private static final String END_OF_TEXT = "<|endoftext|>";

    private TokenTexts() {}

    /** Returns a token's text. If its bytes are not valid UTF-8, returns them as {@code bytes:\xe2\x82}. */
    public static String of(int token, Tokenizer tokenizer) {
        if (token == tokenizer.endOfText()) {
            return END_OF_TEXT;
        }
        byte[] bytes = tokenizer.bytes(token);
        try {
            return StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            StringBuilder text = new StringBuilder("bytes:");
            for (byte value : bytes) {
                text.append("\\x%02x".formatted(value & 0xff));
            }
            return text.toString();
        }
    }
}
