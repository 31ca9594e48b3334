package dev.moe4j.text.select;

import dev.moe4j.base.json.Json;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.base.primitive.LongList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.source.AtomicTextFile;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextFile;
import dev.moe4j.text.source.TextInput;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Decides which documents of an input to drop, and writes the decisions to a selection file for {@link Selection}
 * (docs/data-quality.md). It drops documents that violate a {@link QualityRule}, documents that share an n-gram with
 * evaluation sets, and exact or near duplicates of an earlier kept document.
 *
 * <p>Documents are judged on all threads, but decisions are made in input order, so the file does not depend on the
 * number of threads. A kept document takes up to 80 bytes for exact duplicate detection, and up to 520 bytes with
 * near-duplicate detection. The n-grams of the evaluation sets and the texts in process add to that; only one large text
 * is in process at a time.
 */
public final class Selector {
    /** The default length of n-grams shared with evaluation sets, in words; the same as for GPT-3. */
    public static final int EVALUATION_WORDS = 13;

    /** The maximum memory of a kept document with exact duplicate detection. */
    private static final long EXACT_BYTES = 80;

    /** The maximum memory of a kept document with exact and near-duplicate detection. */
    private static final long NEAR_BYTES = 520;

    private static final int BATCH = 1 << 17;
    private static final int LARGE = 1 << 22;

    private final TextInput input;
    private final Map<QualityRule, Double> rules = new TreeMap<>();
    private boolean exact;
    private double near;
    private @Nullable EvaluationText evaluation;
    private List<String> evaluationInputs = List.of();
    private int threads = Runtime.getRuntime().availableProcessors();
    private Consumer<Progress> progress = _ -> {};

    /** Creates a selector without any criterion. */
    public Selector(TextInput input) {
        this.input = input;
    }

    /**
     * The progress of a selection.
     *
     * @param inputBytes the bytes read so far, as stored on disk
     * @param documents the documents decided so far
     * @param dropped the documents dropped so far
     */
    public record Progress(long inputBytes, long documents, long dropped) {}

    /**
     * The criteria for dropping documents.
     *
     * @param exact whether exact duplicates are dropped
     * @param near the minimum estimated Jaccard index of near duplicates; 0 keeps near duplicates
     * @param rules the bounds of the quality rules, by rule name
     * @param evaluation the evaluation sets as the user named them
     * @param evaluationWords the length of evaluation n-grams, in words
     */
    public record Options(
            boolean exact, double near, Map<String, Double> rules, List<String> evaluation, int evaluationWords) {}

    /** A number of documents and the total length of their text, in UTF-8 bytes. */
    public record Count(long documents, long textBytes) {
        private static final Count NONE = new Count(0, 0);

        private Count plus(long bytes) {
            return new Count(documents + 1, textBytes + bytes);
        }
    }

    /**
     * The result for one source, which is a {@link TextFile#group}.
     *
     * @param read all documents of the source
     * @param kept the kept documents
     * @param dropped the dropped documents by reason: the name of a rule, {@code evaluation}, {@code exact_duplicate} or
     *     {@code near_duplicate}
     */
    public record Source(Count read, Count kept, Map<String, Count> dropped) {}

    /**
     * The result of a selection.
     *
     * @param documents the number of documents read
     * @param dropped the number of documents dropped
     * @param kept the kept documents
     * @param reasons the dropped documents, by reason
     * @param acrossSources the number of duplicates of a document in another source, by reason
     * @param sources the result for each source
     * @param evaluation the number of documents dropped for each file of the evaluation sets
     * @param evaluationWords the number of distinct n-grams in the evaluation sets
     * @param evaluationTexts the number of texts (strings and lines) in the evaluation sets
     * @param evaluationTooShort the number of these texts that are shorter than an n-gram and cannot be detected
     * @param skipped the counts of skipped input, by reason
     */
    public record Report(
            long documents,
            long dropped,
            Count kept,
            Map<String, Count> reasons,
            Map<String, Long> acrossSources,
            Map<String, Source> sources,
            Map<String, Long> evaluation,
            long evaluationWords,
            long evaluationTexts,
            long evaluationTooShort,
            Map<String, Long> skipped) {}

    /** Sets whether documents with the same text as an earlier one are dropped. */
    public Selector exact(boolean value) {
        exact = value;
        return this;
    }

    /**
     * Drops near duplicates of an earlier document, including exact duplicates.
     *
     * @param threshold the minimum estimated Jaccard index, from 0.5 to 1; 0 keeps near duplicates
     * @throws DataException if {@code threshold} is out of range
     */
    public Selector near(double threshold) {
        if (threshold != 0 && !(threshold >= 0.5 && threshold <= 1)) {
            throw new DataException("cannot find near duplicates from a similarity of " + threshold
                    + " on; give one from 0.5 to 1, as in 0.8");
        }
        near = threshold;
        exact |= threshold > 0;
        return this;
    }

    /** Drops documents that violate a rule with this bound. */
    public Selector rule(QualityRule rule, double bound) {
        rules.put(rule, bound);
        return this;
    }

    /**
     * Drops documents that share an n-gram with an evaluation set. This reads the sets immediately.
     *
     * @param words the length of the n-gram in words, from 5 to 100
     * @throws DataException if the sets cannot be read or have no n-gram, or if {@code words} is out of range
     */
    public Selector evaluation(TextInput sets, int words) {
        if (words < 5 || words > 100) {
            throw new DataException("cannot look for " + words + " words in a row; give a number from 5 to 100");
        }
        evaluation = new EvaluationText(sets, words);
        evaluationInputs = sets.sources();
        return this;
    }

    /**
     * Sets the number of threads that judge documents. The result does not depend on it.
     *
     * @throws DataException if {@code value} is below 1
     */
    public Selector threads(int value) {
        if (value < 1) {
            throw new DataException("cannot judge on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Sets a listener that is called on the thread of {@link #run} after each batch of documents. */
    public Selector onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Reads the input and writes the selection file atomically.
     *
     * @param overwrite whether an existing file may be replaced
     * @throws DataException if no criterion is set, the input cannot be read, or the file cannot be written
     */
    public Report run(Path file, boolean overwrite) {
        if (!exact && rules.isEmpty() && evaluation == null) {
            throw new DataException("no criterion to select by; ask for duplicates, rules or evaluation sets");
        }
        if (input.items().stream().anyMatch(FileList.Item::isStandardInput)) {
            throw new DataException(
                    "standard input can be read only once, but a selection needs it twice; write it to a file");
        }
        input.firstDuplicate().ifPresent(twice -> {
            throw new DataException(
                    twice + " is named twice, but a selection identifies documents by file and position; give it once");
        });
        AtomicTextFile.checkFree(file, overwrite);
        return AtomicTextFile.write(file, out -> new Run(out).run());
    }

    /** The state of one run. */
    private final class Run {
        private final BufferedWriter out;
        private final DocumentJudge judge = new DocumentJudge(rules, exact, near > 0, evaluation);
        private final Skipped skipped = input.listed();
        /** The number of the first kept document with a digest. */
        private final LongMap texts = new LongMap();
        /** The second half of the digest of each kept document. */
        private final LongList checks = new LongList();

        private final NearDuplicates signatures = new NearDuplicates(near == 0 ? 1 : near);
        /** For each signature, the number of the kept document that it belongs to. */
        private final IntList signed = new IntList(16);
        /** The position of each kept document: the index in {@link #files}, and in the low 36 bits the part. */
        private final LongList kept = new LongList();

        private final List<TextFile> files = new ArrayList<>();
        private final Map<String, Source> sources = new LinkedHashMap<>();
        private final Map<String, Count> reasons = new TreeMap<>();
        private final Map<String, Long> across = new TreeMap<>();
        private final Map<String, Long> evaluationFiles = new TreeMap<>();
        private final long most = Runtime.getRuntime().maxMemory() / 10 * 7 / (near > 0 ? NEAR_BYTES : EXACT_BYTES);
        private final Set<TextFile> seen = new HashSet<>();
        private @Nullable TextFile current;
        private long part;
        private List<Document> batch = new ArrayList<>();
        private int batchCharacters;
        private long bytesRead;
        private long documents;
        private long dropped;

        Run(BufferedWriter out) {
            this.out = out;
        }

        Report run() {
            Map<String, Double> bounds = new TreeMap<>();
            rules.forEach((rule, bound) -> bounds.put(rule.option(), bound));
            EvaluationText sets = evaluation;
            line(new Selection.Header(
                    Selection.FORMAT,
                    Selection.VERSION,
                    Selection.hash(input),
                    new Options(exact, near, bounds, evaluationInputs, sets == null ? 0 : sets.n())));
            try (OrderedExecutor<List<DocumentJudge.Judged>> work =
                    new OrderedExecutor<>("judge", threads, this::take)) {
                long read = input.read(
                        input.items(), document -> add(document, work), skipped, bytes -> bytesRead += bytes);
                submit(work);
                work.finish();
                input.requireDocuments(read, skipped);
            }
            Count all = Count.NONE;
            for (Source source : sources.values()) {
                all = new Count(all.documents + source.kept.documents, all.textBytes + source.kept.textBytes);
            }
            Report report = new Report(
                    documents,
                    dropped,
                    all,
                    reasons,
                    across,
                    Collections.unmodifiableMap(sources),
                    evaluationFiles,
                    sets == null ? 0 : sets.size(),
                    sets == null ? 0 : sets.texts(),
                    sets == null ? 0 : sets.tooShort(),
                    skipped.byName());
            line(new Selection.End(report));
            return report;
        }

        private void line(Object value) {
            try {
                out.write(Json.MAPPER.writeValueAsString(value));
                out.write('\n');
            } catch (IOException e) {
                throw DataException.of("cannot write the selection", e, AtomicTextFile.ADVICE);
            }
        }

        /** Rejects a second file with the same name, which an archive may contain. Only reading the archive detects this. */
        private void checkFile(Document document) {
            TextFile file = document.file();
            boolean begins = !file.equals(current) || document.part() <= part;
            if (begins && !seen.add(file)) {
                throw new DataException(
                        file + " occurs twice, but a selection identifies documents by file and position;"
                                + " write the archive again with different names for its files");
            }
            current = file;
            part = document.part();
        }

        private void add(Document document, OrderedExecutor<List<DocumentJudge.Judged>> work) {
            checkFile(document);
            int length = document.text().length();
            if (length > LARGE) {
                submit(work);
                work.finish(); // one large text at a time
            }
            batch.add(document);
            batchCharacters += length;
            if (batchCharacters >= BATCH) {
                submit(work);
                if (length > LARGE) {
                    work.finish();
                }
            }
        }

        private void submit(OrderedExecutor<List<DocumentJudge.Judged>> work) {
            List<Document> texts = batch;
            work.add(() -> texts.stream().map(judge::judge).toList());
            batch = new ArrayList<>();
            batchCharacters = 0;
        }

        private void take(List<DocumentJudge.Judged> judged) {
            judged.forEach(this::decide);
            progress.accept(new Progress(bytesRead, documents, dropped));
        }

        private void decide(DocumentJudge.Judged judged) {
            documents++;
            String reason = judged.reason();
            if (reason != null) {
                if (judged.evaluationFile() >= 0 && evaluation != null) {
                    evaluationFiles.merge(evaluation.file(judged.evaluationFile()), 1L, Long::sum);
                }
                drop(judged, reason, null);
                return;
            }
            if (exact) {
                int same = texts.get(judged.digest());
                if (same >= 0 && checks.get(same) == judged.check()) {
                    drop(judged, "exact_duplicate", original(same, 1));
                    return;
                }
            }
            if (judged.signature().length > 0) {
                NearDuplicates.Match match = signatures.find(judged.signature());
                if (match.document() >= 0) {
                    drop(judged, "near_duplicate", original(signed.get(match.document()), match.similarity()));
                    return;
                }
            }
            keep(judged);
        }

        private void keep(DocumentJudge.Judged judged) {
            if (exact) {
                int number = kept.size();
                if (number >= most) {
                    throw new DataException("more than " + most + " documents to compare with, too many for this heap;"
                            + " run it with a larger heap, as in MOE4J_JAVA_OPTS=-Xmx"
                            + (Runtime.getRuntime().maxMemory() >> 29) + "g");
                }
                if (files.isEmpty() || !files.getLast().equals(judged.file())) {
                    files.add(judged.file());
                }
                kept.add((long) (files.size() - 1) << 36 | judged.part());
                checks.add(judged.check());
                texts.putIfAbsent(judged.digest(), number);
                if (judged.signature().length > 0) {
                    signatures.add(judged.signature());
                    signed.accept(number);
                }
            }
            sources.compute(judged.file().group(), (_, before) -> {
                Source s = before == null ? new Source(Count.NONE, Count.NONE, new TreeMap<>()) : before;
                return new Source(s.read.plus(judged.bytes()), s.kept.plus(judged.bytes()), s.dropped);
            });
        }

        private Selection.Original original(int number, double similarity) {
            long place = kept.get(number);
            TextFile file = files.get((int) (place >>> 36));
            return new Selection.Original(file.source(), file.path(), place & ((1L << 36) - 1), similarity);
        }

        private void drop(DocumentJudge.Judged judged, String reason, Selection.@Nullable Original original) {
            dropped++;
            TextFile file = judged.file();
            line(new Selection.Dropped(file.source(), file.path(), judged.part(), reason, original));
            reasons.merge(reason, new Count(1, judged.bytes()), (a, _) -> a.plus(judged.bytes()));
            if (original != null
                    && !new TextFile(original.source(), original.path()).group().equals(file.group())) {
                across.merge(reason, 1L, Long::sum);
            }
            sources.compute(file.group(), (_, before) -> {
                Source s = before == null ? new Source(Count.NONE, Count.NONE, new TreeMap<>()) : before;
                s.dropped.merge(reason, new Count(1, judged.bytes()), (a, _) -> a.plus(judged.bytes()));
                return new Source(s.read.plus(judged.bytes()), s.kept, s.dropped);
            });
        }
    }
}
