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
 * Documents from folders, files of text and of records, zip archives and standard input, one after the other in the
 * order of docs/data-format.md, in bounded memory: one document and the list of files.
 *
 * <p>Whether a file is text is decided by its content. In a folder or an archive, what is no text is left out and
 * counted; an input that was named itself must be text. Bad input, such as a file that is cut short or a record without
 * its text, is an error unless {@link #onError} says otherwise. Immutable; the methods that change a setting give a
 * changed copy.
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
     * Lists the files of the inputs, as they are now: all are text, a file is a document, its text unchanged, all are
     * kept.
     *
     * @param inputs folders, files and zip archives; {@code -} is standard input
     * @throws DataException if an input does not exist or a folder has no file
     */
    public static TextInput of(List<Path> inputs) {
        return of(FileList.of(inputs));
    }

    /**
     * As {@link #of(List)}, of names as a command line has them: paths and patterns, as in {@code data/**}{@code
     * /*.txt}, whose files are read in the order of their paths.
     *
     * @throws DataException also if no file matches a pattern
     */
    public static TextInput ofNames(List<String> names) {
        return of(FileList.ofNames(names));
    }

    private TextInput with(ReadOptions value) {
        return new TextInput(list, value, keep, keepDocuments, selects);
    }

    /** With files of another format than text. */
    public TextInput format(TextFormat value) {
        return with(options.format(value));
    }

    /** With the text in another field or column than {@code text}, where a file has records. */
    public TextInput field(String value) {
        return with(options.field(value));
    }

    /** With another rule for what a document is. */
    public TextInput splitting(DocumentBoundary value) {
        return with(options.splitting(value));
    }

    /** With another transform of the text. */
    public TextInput transform(TextTransform value) {
        return with(options.transform(value));
    }

    /** With another way to meet bad input than to fail. */
    public TextInput onError(OnError value) {
        return with(options.onError(value));
    }

    /** With other limits. */
    public TextInput limits(Limits value) {
        return with(options.limits(value));
    }

    /**
     * Without the documents that a selection leaves out, which are counted.
     *
     * @param value made of this input, read with these options; else reading fails
     */
    public TextInput filter(DocumentFilter value) {
        return with(options.filter(value));
    }

    /** With those files only, see {@link TextFile#group}; the others are not read and not counted. */
    public TextInput keep(Predicate<TextFile> value) {
        return new TextInput(list, options, value, keepDocuments, true);
    }

    /** With those documents only; the others are read, but not given on. */
    public TextInput keepDocuments(Predicate<Document> value) {
        return new TextInput(list, options, keep, value, true);
    }

    /** Without what was found in those folders. */
    public TextInput outside(List<Path> folders) {
        return new TextInput(list.outside(folders), options, keep, keepDocuments, selects);
    }

    public ReadOptions options() {
        return options;
    }

    /** Whether {@link #keep} or {@link #keepDocuments} were given, so that the options do not say all that is read. */
    public boolean selects() {
        return selects;
    }

    /** The inputs as they were named, in order, each once. */
    public List<String> sources() {
        return List.copyOf(list.sources());
    }

    public List<FileList.Item> items() {
        return list.items();
    }

    /** The first file that the inputs name twice; empty if none is. */
    public Optional<TextFile> twice() {
        return list.twice();
    }

    /** The files that the inputs name or hold, in order, before any is read; an archive is one file. */
    public List<TextFile> files() {
        return list.items().stream().map(FileList.Item::file).toList();
    }

    /** The bytes of the files on the disk, which may be compressed. */
    public long bytes() {
        return list.items().stream().mapToLong(FileList.Item::bytes).sum();
    }

    /**
     * The SHA-256 over the files' own names and contents, in order, wherever they stand: what tells two texts apart.
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
     * Gives the documents to {@code out}, in order.
     *
     * @return what was left out
     * @throws DataException if a file cannot be read, is damaged or beyond a limit, a record has no text, an input that
     *     was named itself is no text, or no document remains
     */
    public Skipped read(Consumer<Document> out) {
        Skipped skipped = listed();
        long documents = read(list.items(), out, skipped, _ -> {});
        checkAny(documents, skipped);
        return skipped;
    }

    /** What was left out, or is an error, before any file is read. */
    public Skipped listed() {
        options.filter().check(this);
        Skipped skipped = new Skipped();
        skipped.add(list.skipped());
        DocumentSink intake = new DocumentSink(_ -> {}, options.onError(), skipped);
        list.unreadable().forEach((path, e) -> intake.bad(DataException.oneLine(path.toString()), e));
        return skipped;
    }

    public void checkAny(long documents, Skipped skipped) {
        if (documents == 0) {
            String where = DataException.oneLine(String.join(", ", list.sources()));
            throw new DataException("no text in " + where + (skipped.total() == 0 ? "" : ", left out: " + skipped)
                    + "; give folders or files of UTF-8 text");
        }
    }

    /**
     * Reads some of the files.
     *
     * @param skipped takes what is left out
     * @param read takes the bytes on the disk that were read since it was called last
     * @return the documents given to {@code out}
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
        DocumentSink intake = new DocumentSink(kept, options.onError(), skipped);
        for (FileList.Item item : items) {
            progress.begin(item.bytes());
            try {
                readFile(item, intake, progress);
            } catch (IOException e) {
                intake.bad(item.file().toString(), e);
            }
            progress.end();
        }
        return documents[0];
    }

    private void readFile(FileList.Item item, DocumentSink intake, ReadProgress progress) throws IOException {
        TextFile file = item.file();
        if (item.isStandardInput()) {
            readStandardInput(file, intake);
            return;
        }
        Compression compression;
        try (InputStream in = Files.newInputStream(item.path())) {
            compression = Compression.of(in);
        }
        if (compression.isArchive() && item.named()) {
            readArchive(item, intake, progress);
        } else if (!keep.test(file)) {
            return;
        } else if (compression.isArchive()) {
            intake.leaveOut(Skipped.Reason.ARCHIVE, file.toString());
        } else if (compression == Compression.PARQUET && options.format() != TextFormat.TEXT) {
            new ParquetText(options).read(file, item.path(), intake);
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
            Optional<Skipped.Reason> reason = readText(file, bytes, intake);
            if (reason.isPresent()) {
                leaveOut(reason.get(), file, item.named(), intake);
            }
        }
    }

    private static void leaveOut(Skipped.Reason reason, TextFile file, boolean named, DocumentSink intake)
            throws BadInputException {
        if (named) {
            throw new BadInputException(
                    reason, "no text in " + file + ": it is " + reason.words() + "; give a file of UTF-8 text");
        }
        intake.leaveOut(reason, file.toString());
    }

    private Optional<Skipped.Reason> readText(TextFile file, DocumentReader.Bytes bytes, DocumentSink intake)
            throws IOException {
        TextFormat format = options.format().of(file.path());
        if (format == TextFormat.TEXT) {
            return new DocumentReader(options).read(file, bytes, intake);
        }
        try (InputStream in = bytes.open()) {
            return new RecordReader(options).read(file, format, in, intake);
        }
    }

    private void readStandardInput(TextFile file, DocumentSink intake) throws IOException {
        Compression.Opened in = Compression.open(System.in); // which stays open: it is not ours
        if (in.compression().isArchive() || in.compression() == Compression.PARQUET) {
            throw new BadInputException(
                    Skipped.Reason.ARCHIVE,
                    "standard input is an archive or Parquet, which is not read from its beginning to its end; "
                            + "write it to a file and give that");
        }
        TextFormat format = options.format().of(file.path());
        Optional<Skipped.Reason> reason = format == TextFormat.TEXT
                ? new DocumentReader(options).readOnce(file, in.bytes(), intake)
                : new RecordReader(options).read(file, format, in.bytes(), intake);
        if (reason.isPresent()) {
            leaveOut(reason.get(), file, true, intake);
        }
    }

    private void readArchive(FileList.Item item, DocumentSink intake, ReadProgress progress) throws IOException {
        try (ZipText zip = new ZipText(item.path(), options.limits())) {
            for (Iterator<? extends ZipEntry> entries = zip.entries(); entries.hasNext(); ) {
                ZipEntry entry = entries.next();
                TextFile file = item.entry(entry.getName());
                if (keep.test(file)) {
                    try {
                        readEntry(zip, entry, file, intake);
                    } catch (IOException e) {
                        intake.bad(file.toString(), e);
                    }
                    zip.endEntry();
                }
                progress.add(Math.max(0, entry.getCompressedSize()));
            }
        }
    }

    private void readEntry(ZipText zip, ZipEntry entry, TextFile file, DocumentSink intake) throws IOException {
        Compression compression;
        try (InputStream in = zip.open(entry)) {
            compression = Compression.of(in);
        }
        if (compression.isArchive() || compression == Compression.PARQUET) {
            intake.leaveOut(Skipped.Reason.ARCHIVE, file.toString());
        } else {
            readText(file, () -> Compression.open(zip.open(entry)).bytes(), intake)
                    .ifPresent(reason -> intake.leaveOut(reason, file.toString()));
        }
    }
}
