package dev.moe4j.text.source;

import dev.moe4j.base.digest.Sha256;
import dev.moe4j.text.DataException;
import dev.moe4j.text.compression.Compression;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.zip.ZipEntry;

/**
 * Reads documents from folders, text files, files of records, zip archives and standard input. Documents come in the
 * order that docs/data-format.md defines. Memory is bounded by one document and the list of files.
 *
 * <p>The content decides whether a file is text. Files in a folder or an archive that are not text are skipped and
 * counted. An input that the user names must be text. Bad input, such as a truncated file or a record without text, is an
 * error by default ({@link #onError}). Instances are immutable; methods that change a setting return a copy.
 */
public final class TextInput {
    private final FileList list;
    private final ReadOptions options;
    private final Predicate<TextFile> keep;
    private final Predicate<Document> keepDocuments;
    private final boolean selects;

    private TextInput(
            FileList list,
            ReadOptions options,
            Predicate<TextFile> keep,
            Predicate<Document> keepDocuments,
            boolean selects) {
        this.list = list;
        this.options = options;
        this.keep = keep;
        this.keepDocuments = keepDocuments;
        this.selects = selects;
    }

    private static TextInput of(FileList list) {
        return new TextInput(list, ReadOptions.DEFAULT, _ -> true, _ -> true, false);
    }

    /**
     * Lists the files of the inputs now, with default options: each file is one document of plain text, unchanged, and all
     * documents are kept.
     *
     * @param inputs folders, files and zip archives; {@code -} is standard input
     * @throws DataException if an input does not exist or a folder has no files
     */
    public static TextInput of(List<Path> inputs) {
        return of(FileList.of(inputs));
    }

    /**
     * Lists the files of command-line arguments, like {@link #of(List)}. An argument may be a glob pattern, such as
     * {@code data/**}{@code /*.txt}. The matching files are read in the order of their paths.
     *
     * @throws DataException if an input does not exist, a folder has no files, or no file matches a pattern
     */
    public static TextInput ofNames(List<String> names) {
        return of(FileList.ofNames(names));
    }

    private TextInput with(ReadOptions value) {
        return new TextInput(list, value, keep, keepDocuments, selects);
    }

    /** Sets the format of the files. */
    public TextInput format(TextFormat value) {
        return with(options.format(value));
    }

    /** Sets the name of the field or column with the text, for files of records. The default is {@code text}. */
    public TextInput field(String value) {
        return with(options.field(value));
    }

    /** Sets how a text file is split into documents. */
    public TextInput splitting(DocumentBoundary value) {
        return with(options.splitting(value));
    }

    /** Sets a change to the text of each document. */
    public TextInput transform(TextTransform value) {
        return with(options.transform(value));
    }

    /** Sets how bad input is handled. The default is to fail. */
    public TextInput onError(OnError value) {
        return with(options.onError(value));
    }

    /** Sets limits on the size of input. */
    public TextInput limits(Limits value) {
        return with(options.limits(value));
    }

    /**
     * Sets a filter. The documents that it drops are counted.
     *
     * @param value a filter that was made for this input and these options; otherwise reading fails
     */
    public TextInput filter(DocumentFilter value) {
        return with(options.filter(value));
    }

    /** Keeps only matching files, for example by {@link TextFile#group}. Other files are neither read nor counted. */
    public TextInput keep(Predicate<TextFile> value) {
        return new TextInput(list, options, value, keepDocuments, true);
    }

    /** Keeps only matching documents. Other documents are read but not passed on or counted. */
    public TextInput keepDocuments(Predicate<Document> value) {
        return new TextInput(list, options, keep, value, true);
    }

    /** Excludes files found in the given folders. */
    public TextInput outside(List<Path> folders) {
        return new TextInput(list.outside(folders), options, keep, keepDocuments, selects);
    }

    public ReadOptions options() {
        return options;
    }

    /**
     * Whether {@link #keep} or {@link #keepDocuments} restrict the input. Their predicates have no hash, so the options
     * and files then do not identify the documents.
     */
    public boolean selects() {
        return selects;
    }

    /** Returns the inputs as the user named them, in order, without repetition. */
    public List<String> sources() {
        return List.copyOf(list.sources());
    }

    /** Returns the files of the inputs, in reading order. An archive is one file. */
    public List<FileList.Item> items() {
        return list.items();
    }

    /** Returns the first file that the inputs name twice; empty if there is none. */
    public Optional<TextFile> firstDuplicate() {
        return list.firstDuplicate();
    }

    /** Returns the identities of the files, in reading order. An archive is one file. */
    public List<TextFile> files() {
        return list.items().stream().map(FileList.Item::file).toList();
    }

    /** Returns the total size of the files on disk, in bytes. Files may be compressed. */
    public long bytes() {
        return list.items().stream().mapToLong(FileList.Item::bytes).sum();
    }

    /**
     * Returns the SHA-256 over the names and contents of the files, in order. The folders of the files do not matter.
     *
     * @throws DataException if a file cannot be read
     */
    public String sha256() {
        MessageDigest digest = Sha256.digest();
        for (FileList.Item item : list.items()) {
            try {
                String line = item.path().getFileName() + " " + Sha256.of(item.path()) + "\n";
                digest.update(line.getBytes(StandardCharsets.UTF_8));
            } catch (IOException e) {
                throw DataException.of("cannot read " + item.path(), e, "check the path and its permissions");
            }
        }
        return Sha256.hex(digest);
    }

    /**
     * Passes all documents to {@code out}, in order.
     *
     * @return the counts of skipped input
     * @throws DataException if a file cannot be read, is damaged or exceeds a limit; if a record has no text; if an input
     *     that the user named is not text; or if no document remains
     */
    public Skipped read(Consumer<Document> out) {
        Skipped skipped = listed();
        long documents = read(list.items(), out, skipped, _ -> {});
        requireDocuments(documents, skipped);
        return skipped;
    }

    /**
     * Checks the filter and the list of files before any file is read.
     *
     * @return the counts of listed paths that are skipped
     * @throws DataException if the filter was made for a different input, or a path could not be listed
     */
    public Skipped listed() {
        options.filter().check(this);
        Skipped skipped = new Skipped();
        skipped.add(list.skipped());
        DocumentSink sink = new DocumentSink(_ -> {}, options.onError(), skipped);
        list.unreadable().forEach((path, e) -> sink.badInput(DataException.oneLine(path.toString()), e));
        return skipped;
    }

    /**
     * Checks that the input had at least one document.
     *
     * @throws DataException if {@code documents} is 0
     */
    public void requireDocuments(long documents, Skipped skipped) {
        if (documents == 0) {
            String where = DataException.oneLine(String.join(", ", list.sources()));
            throw new DataException("no text in " + where + (skipped.total() == 0 ? "" : ", left out: " + skipped)
                    + "; give folders or files of UTF-8 text");
        }
    }

    /**
     * Reads some of the files.
     *
     * @param items files of {@link #items}
     * @param skipped counts skipped input
     * @param read receives the number of bytes on disk that were read since its last call
     * @return the number of documents passed to {@code out}
     * @throws DataException if a file cannot be read and bad input is an error
     */
    public long read(List<FileList.Item> items, Consumer<Document> out, Skipped skipped, LongConsumer read) {
        long[] documents = {0};
        ReadProgress progress = new ReadProgress(read);
        Consumer<Document> kept = document -> {
            progress.document();
            if (!options.filter().keeps(document)) {
                skipped.add(Skipped.Reason.NOT_SELECTED, document.file().toString());
            } else if (keepDocuments.test(document)) {
                documents[0]++;
                out.accept(document);
            }
        };
        DocumentSink sink = new DocumentSink(kept, options.onError(), skipped);
        for (FileList.Item item : items) {
            progress.begin(item.bytes());
            try {
                readFile(item, sink, progress);
            } catch (IOException e) {
                sink.badInput(item.file().toString(), e);
            }
            progress.end();
        }
        return documents[0];
    }

    private void readFile(FileList.Item item, DocumentSink sink, ReadProgress progress) throws IOException {
        TextFile file = item.file();
        if (item.isStandardInput()) {
            readStandardInput(file, sink);
            return;
        }
        Compression compression;
        try (InputStream in = Files.newInputStream(item.path())) {
            compression = Compression.of(in);
        }
        if (compression.isArchive() && item.named()) {
            readArchive(item, sink, progress);
        } else if (!keep.test(file)) {
            return;
        } else if (compression.isArchive()) {
            sink.skip(Skipped.Reason.ARCHIVE, file.toString());
        } else if (compression == Compression.PARQUET && options.format() != TextFormat.TEXT) {
            new ParquetText(options).read(file, item.path(), sink);
        } else {
            DocumentReader.Bytes bytes = new DocumentReader.Bytes() {
                @Override
                public InputStream open() throws IOException {
                    return Compression.open(progress.count(Files.newInputStream(item.path())))
                            .bytes();
                }

                @Override
                public InputStream reopen(byte[] content) {
                    return progress.replay(content);
                }
            };
            Optional<Skipped.Reason> reason = readText(file, bytes, sink);
            if (reason.isPresent()) {
                leaveOut(reason.get(), file, item.named(), sink);
            }
        }
    }

    private static void leaveOut(Skipped.Reason reason, TextFile file, boolean named, DocumentSink sink)
            throws BadInputException {
        if (named) {
            throw new BadInputException(
                    reason, "no text in " + file + ": it is " + reason.words() + "; give a file of UTF-8 text");
        }
        sink.skip(reason, file.toString());
    }

    private Optional<Skipped.Reason> readText(TextFile file, DocumentReader.Bytes bytes, DocumentSink sink)
            throws IOException {
        TextFormat format = options.format().of(file.path());
        if (format == TextFormat.TEXT) {
            return new DocumentReader(options).read(file, bytes, sink);
        }
        try (InputStream in = bytes.open()) {
            return new RecordReader(options).read(file, format, in, sink);
        }
    }

    private void readStandardInput(TextFile file, DocumentSink sink) throws IOException {
        Compression.Opened in = Compression.open(System.in); // the process owns System.in, so it stays open
        if (in.compression().isArchive() || in.compression() == Compression.PARQUET) {
            throw new BadInputException(
                    Skipped.Reason.ARCHIVE,
                    "standard input is an archive or Parquet, which cannot be read as a stream; "
                            + "write it to a file and give that");
        }
        TextFormat format = options.format().of(file.path());
        Optional<Skipped.Reason> reason = format == TextFormat.TEXT
                ? new DocumentReader(options).readOnce(file, in.bytes(), sink)
                : new RecordReader(options).read(file, format, in.bytes(), sink);
        if (reason.isPresent()) {
            leaveOut(reason.get(), file, true, sink);
        }
    }

    private void readArchive(FileList.Item item, DocumentSink sink, ReadProgress progress) throws IOException {
        try (ZipText zip = new ZipText(item.path(), options.limits())) {
            for (Iterator<? extends ZipEntry> entries = zip.entries(); entries.hasNext(); ) {
                ZipEntry entry = entries.next();
                TextFile file = item.entry(entry.getName());
                if (keep.test(file)) {
                    try {
                        readEntry(zip, entry, file, sink);
                    } catch (IOException e) {
                        sink.badInput(file.toString(), e);
                    }
                    zip.endEntry();
                }
                progress.add(Math.max(0, entry.getCompressedSize()));
            }
        }
    }

    private void readEntry(ZipText zip, ZipEntry entry, TextFile file, DocumentSink sink) throws IOException {
        Compression compression;
        try (InputStream in = zip.open(entry)) {
            compression = Compression.of(in);
        }
        if (compression.isArchive() || compression == Compression.PARQUET) {
            sink.skip(Skipped.Reason.ARCHIVE, file.toString());
        } else {
            readText(file, () -> Compression.open(zip.open(entry)).bytes(), sink)
                    .ifPresent(reason -> sink.skip(reason, file.toString()));
        }
    }
}
