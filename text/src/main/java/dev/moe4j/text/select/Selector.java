package dev.moe4j.text.select;

import dev.moe4j.base.json.Json;
import dev.moe4j.base.primitive.IntList;
import dev.moe4j.base.primitive.LongList;
import dev.moe4j.text.DataException;
import dev.moe4j.text.OrderedExecutor;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.NewFile;
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
 * Decides which documents of an input to leave out, and writes it to a file that a preparation of the same input takes
 * ({@link Selection}; docs/data-quality.md): those that break a {@link QualityRule}, that share words with evaluation
 * sets, and that are the same as, or much like, an earlier one that is kept.
 *
 * <p>Texts are judged on all threads and the decisions made in the order of the input, so the file does not depend on
 * the number of threads. In memory are, for each document that is kept, up to 80 bytes against exact duplicates and 520
 * against near ones too; the evaluation sets' n-grams; and the texts on their way, a large one at a time.
 */
public final class Selector {
    /** The words in a row that training text may not share with evaluation sets, as GPT-3's. */
    public static final int EVALUATION_WORDS = 13;

    /** Bytes of memory for a document that is kept, at most: against exact duplicates, and against near ones too. */
    private static final long EXACT_BYTES = 80;

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

    /** A selector that leaves nothing out. */
    public Selector(TextInput input) {
        this.input = input;
    }

    /** How far it is. {@code inputBytes} are bytes on the disk that were read. */
    public record Progress(long inputBytes, long documents, long dropped) {}

    /**
     * What is left out.
     *
     * @param near the estimated Jaccard index from which on; 0 for none
     * @param rules bounds by name
     * @param evaluation the evaluation sets as they were named
     * @param evaluationWords words in a row
     */
    public record Options(
            boolean exact, double near, Map<String, Double> rules, List<String> evaluation, int evaluationWords) {}

    /** Documents and their UTF-8 bytes. */
    public record Count(long documents, long textBytes) {
        private static final Count NONE = new Count(0, 0);

        private Count plus(long bytes) {
            return new Count(documents + 1, textBytes + bytes);
        }
    }

    /**
     * What came of one source: {@link TextFile#group}.
     *
     * @param dropped by reason: a rule's name, {@code evaluation}, {@code exact_duplicate}, {@code near_duplicate}
     */
    public record Source(Count read, Count kept, Map<String, Count> dropped) {}

    /**
     * What came of it.
     *
     * @param dropped documents left out
     * @param reasons the same by reason
     * @param acrossSources of the duplicates, those of a document of another source, by reason
     * @param evaluation documents left out for a file of an evaluation set
     * @param evaluationWords different n-grams looked for
     * @param evaluationTexts strings and lines of the evaluation sets
     * @param evaluationTooShort those of them that are too short to be found
     * @param skipped what could not be read, by reason
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

    /** Leaves out documents with the text of an earlier one. */
    public Selector exact(boolean value) {
        exact = value;
        return this;
    }

    /**
     * Leaves out documents that are much like an earlier one, exact duplicates included.
     *
     * @param threshold the estimated Jaccard index from which on, from 0.5 to 1; 0 for none
     * @throws DataException if it is neither
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

    /** Leaves out documents beyond the bound. */
    public Selector rule(QualityRule rule, double bound) {
        rules.put(rule, bound);
        return this;
    }

    /**
     * Leaves out documents with so many words in a row of an evaluation set.
     *
     * @throws DataException if the sets cannot be read or have no such words, or {@code words} is not from 5 to 100
     */
    public Selector evaluation(TextInput sets, int words) {
        if (words < 5 || words > 100) {
            throw new DataException("cannot look for " + words + " words in a row; give a number from 5 to 100");
        }
        evaluation = new EvaluationText(sets, words);
        evaluationInputs = sets.sources();
        return this;
    }

    /** The number of threads that judge; the result does not depend on it. */
    public Selector threads(int value) {
        if (value < 1) {
            throw new DataException("cannot judge on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Is called on the thread of {@link #run} after each batch of documents. */
    public Selector onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Reads the input and writes the file, which has its name only when it is whole.
     *
     * @param overwrite whether a file may be there, to be replaced
     * @throws DataException if nothing was asked for, the input cannot be read, or the file not be written
     */
    public Report run(Path file, boolean overwrite) {
        if (!exact && rules.isEmpty() && evaluation == null) {
            throw new DataException("nothing to leave out; ask for duplicates, rules or evaluation sets");
        }
        if (input.items().stream().anyMatch(FileList.Item::isStandardInput)) {
            throw new DataException(
                    "standard input is read but once, and a selection needs it twice; write it to a file");
        }
        input.twice().ifPresent(twice -> {
            throw new DataException(
                    twice + " is named twice, and a selection tells documents apart by their file and place;"
                            + " give it once");
        });
        NewFile.checkFree(file, overwrite);
        return NewFile.write(file, out -> new Run(out).run());
    }

    /** One run. */
    private final class Run {
        private final BufferedWriter out;
        private final DocumentJudge judge = new DocumentJudge(rules, exact, near > 0, evaluation);
        private final Skipped skipped = input.listed();
        private final LongMap texts = new LongMap();
        private final LongList checks = new LongList();
        private final NearDuplicates signatures = new NearDuplicates(near == 0 ? 1 : near);
        private final IntList signed = new IntList(16);
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
                input.checkAny(read, skipped);
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
                throw DataException.of("cannot write the selection", e, NewFile.ADVICE);
            }
        }

        /** What is in an archive is known only when it is read. */
        private void checkFile(Document document) {
            TextFile file = document.file();
            boolean begins = !file.equals(current) || document.part() <= part;
            if (begins && !seen.add(file)) {
                throw new DataException(file + " is there twice, and a selection tells documents apart by their file"
                        + " and place; write the archive again with a name for each of its files");
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
                            + " run it with a larger one, as in MOE4J_JAVA_OPTS=-Xmx"
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
