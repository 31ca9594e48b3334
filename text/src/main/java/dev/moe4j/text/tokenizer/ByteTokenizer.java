package dev.moe4j.text.tokenizer;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.DataException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.function.IntConsumer;

/** Encodes text as its UTF-8 bytes. The id 256 ends a document. */
final class ByteTokenizer implements Tokenizer {
    private static final int END = 256;
    private static final int SEGMENT = 1 << 16;

    private final byte[][] bytes = new byte[END + 1][];
    private final String hash;

    ByteTokenizer() {
        for (int id = 0; id < END; id++) {
            bytes[id] = new byte[] {(byte) id};
        }
        bytes[END] = new byte[0];
        hash = Tokenizers.hash("bytes", bytes);
    }

    @Override
    public String spec() {
        return "bytes";
    }

    @Override
    public void save(Path folder) {
        // the name defines the tokenizer, so there is no file to write
    }

    @Override
    public int vocabularySize() {
        return bytes.length;
    }

    @Override
    public int endOfText() {
        return END;
    }

    @Override
    public void encode(String text, IntConsumer out) {
        String valid = Utf8.valid(text);
        for (int from = 0; from < valid.length(); ) {
            int end = segmentEnd(valid, from);
            for (byte b : valid.substring(from, end).getBytes(StandardCharsets.UTF_8)) {
                out.accept(b & 0xff);
            }
            from = end;
        }
    }

    @Override
    public int segmentEnd(String text, int from) {
        int end = (int) Math.min(text.length(), (long) from + SEGMENT);
        if (end < text.length() && Character.isSurrogatePair(text.charAt(end - 1), text.charAt(end))) {
            return end - 1;
        }
        return end;
    }

    @Override
    public byte[] bytes(int id) {
        if (id < 0 || id > END) {
            throw new DataException("no token has the id " + id
                    + " in bytes; ids go from 0 to 256: use the tokenizer that made the ids");
        }
        return bytes[id].clone();
    }

    @Override
    public String hash() {
        return hash;
    }
}
