package dev.moe4j.text.select;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.TextFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Judges a document independently of all other documents, so it can run on any thread.
 *
 * @param rules the quality rules and their bounds; the first violated rule is the reason for dropping a document
 * @param exact whether to compute a digest for exact duplicate detection
 * @param near whether to compute a MinHash signature for near-duplicate detection
 * @param evaluation the evaluation text that must not occur in a document, if any
 */
record DocumentJudge(
        Map<QualityRule, Double> rules,
        boolean exact,
        boolean near,
        @Nullable EvaluationText evaluation) {
    private static final byte[] NONE = new byte[0];

    /**
     * The judgement on one document.
     *
     * @param bytes the length of the text in UTF-8 bytes
     * @param reason the reason for dropping the document: the name of a rule, or {@code evaluation}; null if the document
     *     can be kept unless it is a duplicate
     * @param evaluationFile the number of the evaluation file that shares an n-gram with the document, or -1
     * @param digest the first eight bytes of the text's SHA-256; 0 without exact duplicate detection
     * @param check the next eight bytes of the SHA-256
     * @param signature the signature by {@link MinHash}; empty if it was not computed or the text is too short
     */
    record Judged(
            TextFile file,
            long part,
            long bytes,
            @Nullable String reason,
            int evaluationFile,
            long digest,
            long check,
            byte[] signature) {}

    Judged judge(Document document) {
        String text = document.text();
        if (!rules.isEmpty()) {
            TextStatistics statistics = new TextStatistics(text);
            for (Map.Entry<QualityRule, Double> rule : rules.entrySet()) {
                if (rule.getKey().breaks(statistics, rule.getValue())) {
                    return dropped(document, rule.getKey().option(), -1);
                }
            }
        }
        MinHash minHash = new MinHash();
        int[] found = {-1};
        EvaluationText sets = evaluation;
        if (near || sets != null) {
            Words.Grams grams = new Words.Grams(sets == null ? 1 : sets.n());
            Words.each(text, (word, _, _) -> {
                if (near) {
                    minHash.add(word);
                }
                if (sets != null && grams.add(word) && found[0] < 0) {
                    found[0] = sets.find(grams.hash());
                }
            });
        }
        if (found[0] >= 0) {
            return dropped(document, "evaluation", found[0]);
        }
        byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
        ByteBuffer digest = ByteBuffer.wrap(exact ? Sha256.digest().digest(utf8) : new byte[Long.BYTES * 2]);
        return new Judged(
                document.file(),
                document.part(),
                utf8.length,
                null,
                -1,
                digest.getLong(),
                digest.getLong(),
                near ? minHash.signature() : NONE);
    }

    private static Judged dropped(Document document, String reason, int evaluationFile) {
        long bytes = document.bytes();
        return new Judged(document.file(), document.part(), bytes, reason, evaluationFile, 0, 0, NONE);
    }
}
