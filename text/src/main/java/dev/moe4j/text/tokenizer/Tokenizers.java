package dev.moe4j.text.tokenizer;

import com.knuddels.jtokkit.Encodings;
import com.knuddels.jtokkit.api.Encoding;
import com.knuddels.jtokkit.api.EncodingRegistry;
import com.knuddels.jtokkit.api.EncodingType;
import com.knuddels.jtokkit.api.GptBytePairEncodingParams;
import com.knuddels.jtokkit.api.IntArrayList;
import dev.moe4j.base.digest.Sha256;
import dev.moe4j.text.DataException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.regex.Pattern;

/** Creates tokenizers by name or path, and holds GPT-2's vocabulary and pre-tokenization pattern. */
public final class Tokenizers {
    private static final int GPT2_VOCABULARY = 50_257;
    private static final int MIN_VOCABULARY = 257;
    private static final String KNOWN = "there are gpt2, gpt2:N (N from 257 to 50257, as in gpt2:8192), "
            + "bytes, and the path of a tokenizer.json";

    /** GPT-2's pre-tokenization: each match is a piece, and merges never cross a piece boundary. */
    public static final Pattern PIECES = Pattern.compile(
            "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
            Pattern.UNICODE_CHARACTER_CLASS);

    private Tokenizers() {}

    /** Resolves a name, or the path of a file or folder. A folder with the name of a tokenizer needs a slash. */
    static Tokenizer of(String spec) {
        return isName(spec) || !isPath(spec) ? named(spec) : TokenizerFile.read(Path.of(spec));
    }

    private static boolean isName(String spec) {
        return spec.equals("bytes") || spec.equals("gpt2") || spec.startsWith("gpt2:");
    }

    private static boolean isPath(String spec) {
        return spec.endsWith(".json")
                || spec.contains("/")
                || spec.contains("\\")
                || Files.exists(Path.of(spec).resolve(Tokenizer.FILE));
    }

    /** Resolves a name; paths are not accepted. */
    static Tokenizer named(String spec) {
        if (spec.equals("bytes")) {
            return new ByteTokenizer();
        }
        if (spec.equals("gpt2")) {
            return gpt2(GPT2_VOCABULARY);
        }
        if (spec.startsWith("gpt2:")) {
            String digits = spec.substring("gpt2:".length());
            if (!digits.matches("[1-9][0-9]{0,8}")) {
                throw unknown(spec);
            }
            int size = Integer.parseInt(digits);
            if (size < MIN_VOCABULARY || size > GPT2_VOCABULARY) {
                throw new DataException("tokenizer " + spec + " needs a vocabulary from " + MIN_VOCABULARY
                        + " (all bytes and the end of text) to " + GPT2_VOCABULARY + "; " + KNOWN);
            }
            return gpt2(size);
        }
        throw unknown(spec);
    }

    private static DataException unknown(String spec) {
        return new DataException("no tokenizer is named \"" + DataException.oneLine(spec) + "\"; " + KNOWN);
    }

    /** Keeps the lowest {@code vocabulary - 1} ids of GPT-2 and adds the end of text as the last id. */
    private static GptTokenizer gpt2(int vocabulary) {
        if (vocabulary == GPT2_VOCABULARY) {
            return new GptTokenizer("gpt2", Ranks.FULL, Ranks.BYTES);
        }
        String spec = "gpt2:" + vocabulary;
        byte[][] bytes = new byte[vocabulary][];
        Map<byte[], Integer> ranks = HashMap.newHashMap(vocabulary);
        for (int id = 0; id < vocabulary - 1; id++) {
            bytes[id] = Ranks.BYTES[id];
            ranks.put(bytes[id], id);
        }
        bytes[vocabulary - 1] = new byte[0];
        EncodingRegistry registry = Encodings.newLazyEncodingRegistry();
        registry.registerGptBytePairEncoding(new GptBytePairEncodingParams(spec, PIECES, ranks, Map.of()));
        return new GptTokenizer(spec, registry.getEncoding(spec).orElseThrow(), bytes);
    }

    /** Hashes a definition. docs/data-format.md documents the hashed layout. */
    static String hash(String algorithm, byte[][] bytes) {
        var digest = Sha256.digest();
        digest.update(algorithm.getBytes(StandardCharsets.UTF_8));
        for (byte[] token : bytes) {
            digest.update(ByteBuffer.allocate(4).putInt(token.length).flip());
            digest.update(token);
        }
        return Sha256.hex(digest);
    }

    /** GPT-2's vocabulary, loaded on first use. */
    private static final class Ranks {
        static final Encoding FULL = Encodings.newLazyEncodingRegistry().getEncoding(EncodingType.R50K_BASE);
        static final byte[][] BYTES = bytes();

        private static byte[][] bytes() {
            byte[][] bytes = new byte[GPT2_VOCABULARY][];
            IntArrayList one = new IntArrayList(1);
            for (int id = 0; id < GPT2_VOCABULARY - 1; id++) {
                one.clear();
                one.add(id);
                bytes[id] = FULL.decodeBytes(one);
            }
            bytes[GPT2_VOCABULARY - 1] = new byte[0];
            return bytes;
        }
    }
}
