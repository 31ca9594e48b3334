package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.compression.KeptStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Cuts the text of one file into documents; what is no text gives none. */
public final class DocumentReader {
    /** Bytes of a file that are kept while it is looked through. */
    public static final int MOST_KEPT = 1 << 24;

    private final ReadOptions options;

    public DocumentReader(ReadOptions options) {
        this.options = options;
    }

    /** Opens the file's bytes, uncompressed, from the beginning. */
    @FunctionalInterface
    public interface Bytes {
        InputStream open() throws IOException;

        /** Reads once more the complete content, which was kept from the first time. */
        default InputStream reopen(byte[] content) {
            return new ByteArrayInputStream(content);
        }
    }

    /**
     * Gives a file's documents on, or none if it is no text: a file that is not read whole is looked through first, so
     * that it gives all of its documents or none. A file of up to {@link #MOST_KEPT} bytes is opened, and decompressed,
     * once for both.
     *
     * @return why it was left out, if it was
     */
    public Optional<Skipped.Reason> read(TextFile file, Bytes bytes, DocumentSink intake) throws IOException {
        if (options.splitting() == DocumentBoundary.FILE) {
            try (InputStream in = bytes.open()) {
                return readOnce(file, in, intake);
            }
        }
        KeptStream kept;
        try (KeptStream in = new KeptStream(bytes.open(), MOST_KEPT)) {
            kept = in;
            Optional<Skipped.Reason> reason = check(in);
            if (reason.isPresent()) {
                return reason;
            }
        }
        try (InputStream in = kept.complete() ? bytes.reopen(kept.content()) : bytes.open()) {
            return readOnce(file, in, intake);
        }
    }

    /** Gives the documents of a stream on that can be read but once: those before it proves to be no text are given. */
    Optional<Skipped.Reason> readOnce(TextFile file, InputStream bytes, DocumentSink intake) throws IOException {
        InputStream in = Utf8.withoutMark(bytes);
        return options.splitting() == DocumentBoundary.FILE
                ? readWhole(file, in, intake)
                : new LineDocuments(options, file, intake).read(in);
    }

    private Optional<Skipped.Reason> readWhole(TextFile file, InputStream in, DocumentSink intake) throws IOException {
        int most = (int) options.limits().documentBytesInMemory();
        byte[] content = in.readNBytes(most + 1);
        int zero = 0;
        while (zero < content.length && content[zero] != 0) {
            zero++;
        }
        if (zero < content.length) {
            return Optional.of(Skipped.Reason.BINARY);
        }
        if (content.length > most) {
            throw options.limits().tooLong("a document in " + file);
        }
        if (content.length == 0) {
            return Optional.of(Skipped.Reason.EMPTY);
        }
        String text;
        try {
            text = Utf8.decode(content, 0, content.length);
        } catch (CharacterCodingException e) {
            return Optional.of(Skipped.Reason.INVALID_UTF8);
        }
        intake.document(options.document(file, 0, text, content.length));
        return Optional.empty();
    }

    /** What shows that the bytes are no text, if anything does. */
    private static Optional<Skipped.Reason> check(InputStream in) throws IOException {
        char[] buffer = new char[1 << 15];
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder());
        try {
            for (int n = reader.read(buffer); n >= 0; n = reader.read(buffer)) {
                for (int i = 0; i < n; i++) {
                    if (buffer[i] == 0) {
                        return Optional.of(Skipped.Reason.BINARY);
                    }
                }
            }
        } catch (CharacterCodingException e) {
            return Optional.of(Skipped.Reason.INVALID_UTF8);
        }
        return Optional.empty();
    }
}
