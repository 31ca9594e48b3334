package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;
import dev.moe4j.text.compression.RecordingStream;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Splits a text file into documents. A file that is not text gives no documents. */
public final class DocumentReader {
    /** The largest uncompressed file, in bytes, that is kept in memory between validation and splitting. */
    public static final int MAX_IN_MEMORY = 1 << 24;

    private final ReadOptions options;

    /** Creates a reader with these options. */
    public DocumentReader(ReadOptions options) {
        this.options = options;
    }

    /** Opens the uncompressed bytes of a file. */
    @FunctionalInterface
    public interface Bytes {
        /** Opens a new stream from the beginning of the file. */
        InputStream open() throws IOException;

        /** Opens a stream over the complete content of the file, which was kept from the first read. */
        default InputStream reopen(byte[] content) {
            return new ByteArrayInputStream(content);
        }
    }

    /**
     * Passes the documents of a file to a sink: all of them, or none if the file is not text. A file with several
     * documents is therefore validated before the first document is passed on. A file of up to {@link #MAX_IN_MEMORY}
     * bytes is opened and decompressed only once for both steps.
     *
     * @return the reason if the file was skipped
     * @throws IOException if the file cannot be read or is damaged
     */
    public Optional<Skipped.Reason> read(TextFile file, Bytes bytes, DocumentSink sink) throws IOException {
        if (options.splitting() == DocumentBoundary.FILE) {
            try (InputStream in = bytes.open()) {
                return readOnce(file, in, sink);
            }
        }
        RecordingStream kept;
        try (RecordingStream in = new RecordingStream(bytes.open(), MAX_IN_MEMORY)) {
            kept = in;
            Optional<Skipped.Reason> reason = check(in);
            if (reason.isPresent()) {
                return reason;
            }
        }
        try (InputStream in = kept.complete() ? bytes.reopen(kept.content()) : bytes.open()) {
            return readOnce(file, in, sink);
        }
    }

    /**
     * Passes on the documents of a stream that can be read only once. If the stream turns out not to be text, the
     * documents before that point have already been passed on.
     */
    Optional<Skipped.Reason> readOnce(TextFile file, InputStream bytes, DocumentSink sink) throws IOException {
        InputStream in = Utf8.withoutMark(bytes);
        return options.splitting() == DocumentBoundary.FILE
                ? readWhole(file, in, sink)
                : new LineDocuments(options, file, sink).read(in);
    }

    private Optional<Skipped.Reason> readWhole(TextFile file, InputStream in, DocumentSink sink) throws IOException {
        int limit = (int) options.limits().documentBytesInMemory();
        byte[] content = in.readNBytes(limit + 1);
        int zero = 0;
        while (zero < content.length && content[zero] != 0) {
            zero++;
        }
        if (zero < content.length) {
            return Optional.of(Skipped.Reason.BINARY);
        }
        if (content.length > limit) {
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
        sink.document(options.document(file, 0, text, content.length));
        return Optional.empty();
    }

    /** Returns the reason if the bytes are not text. */
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
