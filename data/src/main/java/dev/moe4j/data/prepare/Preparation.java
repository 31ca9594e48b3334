package dev.moe4j.data.prepare;

import dev.moe4j.data.shard.HoldOut;
import dev.moe4j.data.shard.Manifest;
import dev.moe4j.data.shard.ShardLayout;
import dev.moe4j.data.shard.Shards;
import dev.moe4j.text.DataException;
import dev.moe4j.text.source.Document;
import dev.moe4j.text.source.DocumentBoundary;
import dev.moe4j.text.source.FileList;
import dev.moe4j.text.source.Skipped;
import dev.moe4j.text.source.TextInput;
import dev.moe4j.text.tokenizer.Tokenizer;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;

/**
 * Tokenizes text and writes it to a folder of prepared data (docs/data-format.md). Each document is one entry, in input
 * order, followed by the end-of-text token. No documents are held out by default. The files are the same for any number
 * of threads. The folder gets its name only when it is complete.
 *
 * <p>The input files are divided into groups ({@link FileGroup}), and the documents of a group into parts of about one
 * shard. Finished parts survive a failure, a full disk or a killed process. Another run with the same input and options
 * resumes after the last finished part and gives the same bytes. If no part was finished, nothing remains on disk. A
 * preparation of {@linkplain TextInput#selects restricted input} cannot resume. If the output is inside an input folder,
 * the output of earlier runs is not read as text.
 */
public final class Preparation {
    /** The default size of a shard: about 1 GiB of text. */
    public static final long SHARD_BYTES = 1L << 30;

    private final Tokenizer tokenizer;
    private final TextInput input;
    private final Path output;
    private HoldOut holdOut = HoldOut.NONE;
    private ShardLayout layout = ShardLayout.FAIRSEQ;
    private long shardBytes = SHARD_BYTES;
    private WorkShare share = WorkShare.ALL;
    private boolean overwrite;
    private int threads = Runtime.getRuntime().availableProcessors();
    private Consumer<Progress> progress = _ -> {};

    /**
     * Creates a preparation that holds out no documents and uses all processors.
     *
     * @param output a folder that does not exist yet or is empty
     */
    public Preparation(Tokenizer tokenizer, TextInput input, Path output) {
        this.tokenizer = tokenizer;
        this.input = input.outside(OutputFolder.writtenFolders(output));
        this.output = output;
    }

    /**
     * The progress of a preparation.
     *
     * @param documents the documents written in all splits, including earlier interrupted runs
     * @param tokens the tokens written in all splits, including earlier interrupted runs
     * @param inputBytes the bytes of the input read so far, as stored on disk
     * @param inputBytesTotal the bytes of the whole input, as stored on disk
     */
    public record Progress(long documents, long tokens, long inputBytes, long inputBytesTotal) {}

    /**
     * The result of a preparation.
     *
     * @param manifest the manifest of the output folder
     * @param skipped the counts of skipped input
     */
    public record Result(Manifest manifest, Skipped skipped) {}

    /** Sets which documents go to the split {@code valid} instead of {@code train}. */
    public Preparation holdOut(HoldOut value) {
        holdOut = value;
        return this;
    }

    /** Sets the layout of the index files. The default is fairseq's. */
    public Preparation layout(ShardLayout value) {
        layout = value;
        return this;
    }

    /**
     * Sets the size of a shard, in bytes of text. An interrupted run loses less than one shard.
     *
     * @throws DataException if {@code value} is below 1
     */
    public Preparation shardBytes(long value) {
        if (value < 1) {
            throw new DataException("cannot write shards of " + value + " bytes of text; give at least 1");
        }
        shardBytes = value;
        return this;
    }

    /** Restricts this run to a share of the work. {@link ShardMerge} joins the shares. */
    public Preparation share(WorkShare value) {
        share = value;
        return this;
    }

    /** Sets whether existing prepared data and unfinished runs may be replaced. Other content is never replaced. */
    public Preparation overwrite(boolean value) {
        overwrite = value;
        return this;
    }

    /**
     * Sets the number of threads that tokenize. The result does not depend on it.
     *
     * @throws DataException if {@code value} is below 1
     */
    public Preparation threads(int value) {
        if (value < 1) {
            throw new DataException("cannot encode on " + value + " threads; give at least 1");
        }
        threads = value;
        return this;
    }

    /** Sets a listener that is called on the thread of {@link #run} after each batch of about 100 kB of text. */
    public Preparation onProgress(Consumer<Progress> value) {
        progress = value;
        return this;
    }

    /**
     * Runs the preparation, or resumes an interrupted one.
     *
     * @throws DataException if the output cannot be written or replaced, the input cannot be read or has no text (see
     *     {@link TextInput#read}), or a hold-out leaves a split without documents
     */
    public Result run() {
        boolean whole = share.of() == 1;
        if (!whole && input.items().stream().anyMatch(FileList.Item::isStandardInput)) {
            throw new DataException("standard input cannot be divided between machines; write it to files");
        }
        Manifest.Options options = Manifest.Options.of(input.options(), holdOut, layout, shardBytes);
        String plan = PreparationFingerprint.hash(input, tokenizer, options);
        String resume = input.selects() ? "" : PreparationFingerprint.resumeHash(plan, share, input);
        Skipped skipped = input.listed();
        try (OutputFolder folder = new OutputFolder(output, overwrite, resume);
                Work work = new Work(folder)) {
            work.prepare(FileGroup.of(FileGroup.of(input.items(), shardBytes), share));
            if (share.number() > 1) {
                skipped = new Skipped(); // the first share counts it
            }
            skipped.add(work.skipped);
            Manifest manifest = new Manifest(
                    Manifest.FORMAT,
                    Manifest.VERSION,
                    Manifest.TokenizerInfo.of(tokenizer),
                    true,
                    splits(work.done),
                    sources(work.done),
                    options,
                    new Manifest.Work(share.number(), share.of(), plan),
                    skipped.byName());
            if (whole) {
                check(manifest, skipped, folder);
            }
            tokenizer.save(folder.data());
            folder.commit(manifest);
            return new Result(manifest, skipped);
        }
    }

    private Map<String, Manifest.Split> splits(List<PartRecord> parts) {
        Map<String, Manifest.Split> splits = new TreeMap<>();
        for (String name : holdOut.fraction() > 0 ? List.of(Shards.TRAIN, Shards.VALID) : List.of(Shards.TRAIN)) {
            splits.put(
                    name,
                    Manifest.Split.of(parts.stream()
                            .flatMap(part -> Optional.ofNullable(part.splits().get(name)).stream())
                            .toList()));
        }
        return splits;
    }

    private List<Manifest.Source> sources(List<PartRecord> parts) {
        Map<String, Manifest.Source> sources = new LinkedHashMap<>();
        input.sources().forEach(source -> sources.put(source, new Manifest.Source(source, 0, 0)));
        parts.forEach(part -> part.sources().forEach(s -> sources.merge(s.input(), s, Manifest.Source::plus)));
        return List.copyOf(sources.values());
    }

    private void check(Manifest manifest, Skipped skipped, OutputFolder folder) {
        try {
            input.requireDocuments(manifest.documents(), skipped);
            checkSplits(manifest);
        } catch (DataException e) {
            folder.discard();
            throw e;
        }
    }

    /** Checks that each split has documents. */
    static void checkSplits(Manifest manifest) {
        manifest.splits().forEach((name, split) -> {
            if (split.documents() == 0) {
                throw new DataException("holding out a fraction of "
                        + manifest.options().holdOutFraction() + " of " + manifest.documents() + " documents leaves "
                        + (name.equals(Shards.VALID) ? "none for validation" : "none for training")
                        + "; choose another fraction or seed, or give more documents");
            }
        });
    }

    /** The state of one run. It reads and writes the parts in order, and tokenizes on all threads in between. */
    private final class Work implements AutoCloseable {
        final List<PartRecord> done = new ArrayList<>();
        final Skipped skipped = new Skipped();
        private final OutputFolder folder;
        private final Encoder encoder;
        private final Deque<PartWriter> open = new ArrayDeque<>();
        private final long total = input.bytes();
        private long bytesRead;
        private long documents;
        private long tokens;

        Work(OutputFolder folder) {
            this.folder = folder;
            this.encoder = new Encoder(
                    tokenizer, input.options().splitting() == DocumentBoundary.PAPER, threads, this::report);
        }

        private void report() {
            long d = documents;
            long t = tokens;
            for (PartWriter part : open) {
                d += part.documents();
                t += part.tokens();
            }
            progress.accept(new Progress(d, t, bytesRead, total));
        }

        void prepare(List<FileGroup> groups) {
            for (FileGroup group : groups) {
                prepare(group);
            }
            encoder.finish();
            done.sort(Comparator.comparingInt(PartRecord::group).thenComparingInt(PartRecord::part));
        }

        private void prepare(FileGroup group) {
            long before = 0;
            int parts = 0;
            for (Optional<PartRecord> part = folder.saved(group.number(), 0);
                    part.isPresent();
                    part = folder.saved(group.number(), ++parts)) {
                count(part.get());
                before += part.get().read();
                if (part.get().last()) {
                    skipped.add(Skipped.byName(part.get().skipped()));
                    bytesRead += group.bytes();
                    return;
                }
            }
            Reading reading = new Reading(group.number(), parts, before);
            Skipped inGroup = new Skipped();
            input.read(group.items(), reading::add, inGroup, bytes -> bytesRead += bytes);
            finish(reading.part, true, inGroup);
            skipped.add(inGroup);
        }

        private void count(PartRecord part) {
            done.add(part);
            for (Manifest.Shard shard : part.splits().values()) {
                documents += shard.documents();
                tokens += shard.tokens();
            }
        }

        private PartWriter begin(PartWriter part) {
            open.add(part);
            return part;
        }

        private void finish(PartWriter part, boolean last, Skipped inGroup) {
            encoder.then(() -> {
                PartRecord record = part.finish(last, inGroup);
                folder.save(record);
                open.remove(part);
                count(record);
            });
        }

        /** Assigns the documents of a group to parts, after skipping the documents of parts that are already written. */
        private final class Reading {
            private final long written;
            private PartWriter part;
            private long documents;

            Reading(int group, int parts, long written) {
                this.written = written;
                this.part = begin(new PartWriter(folder.data(), group, parts, tokenizer.vocabularySize(), layout));
            }

            void add(Document document) {
                if (documents++ < written) {
                    return;
                }
                if (part.isFull(shardBytes)) {
                    finish(part, false, new Skipped());
                    part = begin(part.next());
                }
                String split = holdOut.holds(document.text()) ? Shards.VALID : Shards.TRAIN;
                encoder.add(part.add(split, document), document.text());
            }
        }

        @Override
        public void close() {
            encoder.close();
            open.forEach(PartWriter::close);
        }
    }
}
