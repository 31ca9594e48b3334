package dev.moe4j.data;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** GPT-2's encoding, whole or cut, as a {@code tokenizer.json} that other software reads. */
public final class TokenizerJson {

    private TokenizerJson() {}

    /**
     * The file's content.
     *
     * @param tokenizer {@code gpt2} or {@code gpt2:N}
     * @throws DataException if it is another one
     */
    public static byte[] of(Tokenizer tokenizer) {
        if (!tokenizer.spec().startsWith("gpt2")) {
            throw new DataException("the tokenizer " + DataException.oneLine(tokenizer.spec())
                    + " has no GPT-2 ranks to write as a " + Tokenizer.FILE + "; give gpt2 or gpt2:N");
        }
        byte[][] tokens = new byte[tokenizer.vocabularySize()][];
        Map<String, Integer> ranks = HashMap.newHashMap(tokens.length);
        for (int id = 0; id < tokens.length; id++) {
            tokens[id] = tokenizer.bytes(id);
            if (id != tokenizer.endOfText()) {
                ranks.put(latin1(tokens[id]), id);
            }
        }
        List<ByteLevelBpe.Merge> merges = new ArrayList<>();
        for (int id = 0; id < tokens.length; id++) {
            if (tokens[id].length > 1) {
                merges.add(merge(latin1(tokens[id]), id, ranks));
            }
        }
        return new ByteLevelBpe(tokens, merges, tokenizer.endOfText()).json();
    }

    private static String latin1(byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** The last merge that makes a token: of the two parts that all merges before its own leave of its bytes. */
    private static ByteLevelBpe.Merge merge(String token, int id, Map<String, Integer> ranks) {
        List<String> parts = new ArrayList<>(List.of(token.split("")));
        while (parts.size() > 2) {
            int best = -1;
            int lowest = id;
            for (int i = 0; i + 1 < parts.size(); i++) {
                int rank = ranks.getOrDefault(parts.get(i) + parts.get(i + 1), Integer.MAX_VALUE);
                if (rank < lowest) {
                    lowest = rank;
                    best = i;
                }
            }
            if (best < 0) {
                throw new IllegalStateException("no merges before it make two parts of the token " + id);
            }
            parts.set(best, parts.get(best) + parts.remove(best + 1));
        }
        return new ByteLevelBpe.Merge(rank(parts.getFirst(), ranks), rank(parts.getLast(), ranks), id);
    }

    private static int rank(String part, Map<String, Integer> ranks) {
        Integer rank = ranks.get(part);
        if (rank == null) {
            throw new IllegalStateException("a part of a token is none");
        }
        return rank;
    }
}
