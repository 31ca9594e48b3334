package dev.moe4j.data;

import com.github.luben.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipEntry;

/**
 * Documents from folders, text files (plain, gzip or zstd) and zip archives, one after the other in the order of
 * docs/data-format.md, in bounded memory: one document and the list of files.
 *
 * <p>What a file is is decided by its content. In a folder or an archive, what is no text is left out and counted; an
 * input that was named itself must be text. Immutable; the methods that change a setting give a changed copy.
 */
public final class TextInput {
    private static final String CHECK = "check the file, or leave it out";

    private final List<FileList.Item> files;
    private final List<String> sources;
    private final Skipped listed;
    private final Splitting splitting;
    private final TextTransform transform;
    private final Predicate<TextFile> keep;
    private final Predicate<Document> keepDocuments;
    private final Limits limits;

    private TextInput(
            List<FileList.Item> files,
            List<String> sources,
            Skipped listed,
            Splitting splitting,
            TextTransform transform,
            Predicate<TextFile> keep,
            Predicate<Document> keepDocuments,
            Limits limits) {
        this.files = files;
        this.sources = sources;
        this.listed = listed;
        this.splitting = splitting;
        this.transform = transform;
        this.keep = keep;
        this.keepDocuments = keepDocuments;
        this.limits = limits;
    }

    /**
     * Lists the files of the inputs, as they are now: a file is a document, its text unchanged, all are kept.
     *
     * @param inputs folders, files and zip archives
     * @throws DataException if an input does not exist or cannot be read, or a folder has no file
     */
    public static TextInput of(List<Path> inputs) {
        FileList list = FileList.of(inputs);
        return new TextInput(
                list.items(),
                inputs.stream().map(Path::toString).distinct().toList(),
                list.skipped(),
                Splitting.FILE,
                TextTransform.NONE,
                _ -> true,
                _ -> true,
                Limits.DEFAULT);
    }

    /** With another rule for what a document is. */
    public TextInput splitting(Splitting value) {
        return new TextInput(files, sources, listed, value, transform, keep, keepDocuments, limits);
    }

    /** With another transform of the text. */
    public TextInput transform(TextTransform value) {
        return new TextInput(files, sources, listed, splitting, value, keep, keepDocuments, limits);
    }

    /** With those files only, see {@link TextFile#group}; the others are not read and not counted. */
    public TextInput keep(Predicate<TextFile> value) {
        return new TextInput(files, sources, listed, splitting, transform, value, keepDocuments, limits);
    }

    /** With those documents only; the others are read, but not given on. */
    public TextInput keepDocuments(Predicate<Document> value) {
        return new TextInput(files, sources, listed, splitting, transform, keep, value, limits);
    }

    /** With other limits. */
    public TextInput limits(Limits value) {
        return new TextInput(files, sources, listed, splitting, transform, keep, keepDocuments, value);
    }

    Splitting splitting() {
        return splitting;
    }

    TextTransform transform() {
        return transform;
    }

    /** The inputs as they were named, in order, each once. */
    public List<String> sources() {
        return sources;
    }

    /** The files that the inputs name or hold, in order, before any is read; an archive is one file. */
    public List<TextFile> files() {
        return files.stream().map(FileList.Item::file).toList();
    }

    /** The bytes of the files on the disk, which may be compressed. */
    public long bytes() {
        return files.stream().mapToLong(FileList.Item::bytes).sum();
    }

    /**
     * Gives the documents to {@code out}, in order.
     *
     * @return what was left out
     * @throws DataException if a file cannot be read, is damaged or beyond a limit, an input that was named itself is
     *     no text, or no document remains
     */
    public Skipped read(Consumer<Document> out) {
        return read(out, _ -> {});
    }

    /**
     * As {@link #read(Consumer)}.
     *
     * @param read takes the bytes on the disk of each file that is done
     */
    Skipped read(Consumer<Document> out, LongConsumer read) {
        Skipped skipped = new Skipped(listed);
        long[] documents = {0};
        Consumer<Document> counting = document -> {
            if (keepDocuments.test(document)) {
                documents[0]++;
                out.accept(document);
            }
        };
        for (FileList.Item item : files) {
            try {
                readFile(item, counting, skipped);
            } catch (IOException e) {
                throw DataException.of("cannot read " + item.file(), e, CHECK);
            }
            read.accept(item.bytes());
        }
        if (documents[0] == 0) {
            String where = DataException.oneLine(String.join(", ", sources));
            throw new DataException("no text in " + where + (skipped.total() == 0 ? "" : ", left out: " + skipped)
                    + "; give folders or files of UTF-8 text");
        }
        return skipped;
    }

    private void readFile(FileList.Item item, Consumer<Document> out, Skipped skipped) throws IOException {
        Format format;
        try (InputStream in = Files.newInputStream(item.path())) {
            format = Format.of(in.readNBytes(4));
        }
        if (format == Format.ZIP) {
            if (item.named()) {
                readArchive(item, out, skipped);
            } else if (keep.test(item.file())) {
                skipped.add(Skipped.Reason.ARCHIVE, item.file());
            }
            return;
        }
        if (!keep.test(item.file())) {
            return;
        }
        Optional<Skipped.Reason> reason = reader().read(item.file(), () -> format.open(item.path()), out);
        if (reason.isPresent() && item.named()) {
            throw new DataException(
                    "no text in " + item.file() + ": it is " + reason.get().words() + "; give a file of UTF-8 text");
        }
        reason.ifPresent(r -> skipped.add(r, item.file()));
    }

    private void readArchive(FileList.Item item, Consumer<Document> out, Skipped skipped) throws IOException {
        try (ZipText zip = new ZipText(item.path(), limits)) {
            for (Iterator<? extends ZipEntry> entries = zip.entries(); entries.hasNext(); ) {
                ZipEntry entry = entries.next();
                TextFile file = new TextFile(item.file().source(), entry.getName());
                if (keep.test(file)) {
                    try {
                        reader().read(file, () -> zip.open(entry), out).ifPresent(r -> skipped.add(r, file));
                        zip.endEntry();
                    } catch (IOException e) {
                        throw DataException.of("cannot read " + file, e, CHECK);
                    }
                }
            }
        }
    }

    private DocumentReader reader() {
        return new DocumentReader(splitting, transform, limits.documentBytes());
    }

    private enum Format {
        PLAIN,
        GZIP,
        ZSTD,
        ZIP;

        static Format of(byte[] head) {
            if (head.length < 4) {
                return PLAIN;
            }
            int magic = (head[0] & 0xff) << 24 | (head[1] & 0xff) << 16 | (head[2] & 0xff) << 8 | (head[3] & 0xff);
            return switch (magic) {
                case 0x504b0304, 0x504b0506 -> ZIP;
                case 0x28b52ffd -> ZSTD;
                default -> magic >>> 16 == 0x1f8b ? GZIP : PLAIN;
            };
        }

        InputStream open(Path path) throws IOException {
            InputStream raw = new BufferedInputStream(Files.newInputStream(path), 1 << 16);
            try {
                return switch (this) {
                    case PLAIN, ZIP -> raw;
                    case GZIP -> new GZIPInputStream(raw, 1 << 16);
                    case ZSTD -> new ZstdInputStream(raw).setLongMax(31);
                };
            } catch (IOException | RuntimeException e) {
                raw.close();
                throw e;
            }
        }
    }
}
