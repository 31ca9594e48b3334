package dev.moe4j.text.select;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.TextFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What can be said of a document by itself, on any thread.
 *
 * @param rules bounds, the first that is broken counts
 * @param exact whether to find out what shows that two texts are the same
 * @param near whether to find out what shows that two texts are alike
 * @param evaluation text that is not to be in it, if any
 */
record DocumentJudge(
        Map<QualityRule, Double> rules,
        boolean exact,
        boolean near,
        @Nullable EvaluationText evaluation) {
    private static final byte[] NONE = new byte[0];

    /**
     * The findings.
     *
     * @param bytes of UTF-8
     * @param reason to leave it out: a rule's name, or {@code evaluation}; null if it is only to be compared
     * @param evaluationFile the number of the file whose words it has, or -1
     * @param digest the first half of what shows that two texts are the same
     * @param check the second half
     * @param signature of {@link MinHash}; empty where there is none
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
                    return leftOut(document, rule.getKey().option(), -1);
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
            return leftOut(document, "evaluation", found[0]);
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

    private static Judged leftOut(Document document, String reason, int evaluationFile) {
        long bytes = document.bytes();
        return new Judged(document.file(), document.part(), bytes, reason, evaluationFile, 0, 0, NONE);
    }
}
