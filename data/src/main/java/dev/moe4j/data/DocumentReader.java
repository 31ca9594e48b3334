package dev.moe4j.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.function.Consumer;

/** Cuts the bytes of one file into documents; what is no text gives none. */
final class DocumentReader {
    private final Splitting splitting;
    private final TextTransform transform;
    private final long documentBytes;

    DocumentReader(Splitting splitting, TextTransform transform, long documentBytes) {
        this.splitting = splitting;
        this.transform = transform;
        this.documentBytes = documentBytes;
    }

    /** Opens the file's bytes, uncompressed, from the beginning. */
    @FunctionalInterface
    interface Bytes {
        InputStream open() throws IOException;
    }

    /**
     * Gives the file's documents to {@code out}, or none if it is no text.
     *
     * @return why it was left out, if it was
     */
    Optional<Skipped.Reason> read(TextFile file, Bytes bytes, Consumer<Document> out) throws IOException {
        return switch (splitting) {
            case FILE -> readWhole(file, bytes, out);
            case BLANK_LINE -> readParts(file, bytes, out);
        };
    }

    private Optional<Skipped.Reason> readWhole(TextFile file, Bytes bytes, Consumer<Document> out) throws IOException {
        byte[] content;
        try (InputStream in = bytes.open()) {
            content = in.readNBytes((int) documentBytes + 1);
        }
        String text = new String(content, StandardCharsets.UTF_8);
        if (text.indexOf('\0') >= 0) {
            return Optional.of(Skipped.Reason.BINARY);
        }
        if (content.length > documentBytes) {
            throw tooLong(file);
        }
        if (text.indexOf('\uFFFD') >= 0 && !isUtf8(content)) {
            return Optional.of(Skipped.Reason.INVALID_UTF8);
        }
        if (text.isEmpty()) {
            return Optional.of(Skipped.Reason.EMPTY);
        }
        out.accept(new Document(file, 0, transform.apply(text)));
        return Optional.empty();
    }

    private static boolean isUtf8(byte[] content) {
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(content));
            return true;
        } catch (CharacterCodingException e) {
            return false;
        }
    }

    /** Looks through the whole file first, so that a file gives all of its documents or none. */
    private Optional<Skipped.Reason> readParts(TextFile file, Bytes bytes, Consumer<Document> out) throws IOException {
        char[] buffer = new char[1 << 15];
        try (Reader reader = strict(bytes)) {
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
        Parts parts = new Parts(file, out);
        try (Reader reader = strict(bytes)) {
            for (int n = reader.read(buffer); n >= 0; n = reader.read(buffer)) {
                parts.add(buffer, n);
            }
        }
        parts.end();
        return parts.count == 0 ? Optional.of(Skipped.Reason.EMPTY) : Optional.empty();
    }

    private static Reader strict(Bytes bytes) throws IOException {
        return new InputStreamReader(bytes.open(), StandardCharsets.UTF_8.newDecoder());
    }

    private DataException tooLong(TextFile file) {
        return new DataException("a document in " + file + " is longer than " + documentBytes
                + " bytes; let blank lines separate documents, or split the file");
    }

    /** Lines that are gathered until an empty one. */
    private final class Parts {
        private final TextFile file;
        private final Consumer<Document> out;
        private final StringBuilder text = new StringBuilder();
        private int lineStart;
        private long count;

        Parts(TextFile file, Consumer<Document> out) {
            this.file = file;
            this.out = out;
        }

        void add(char[] buffer, int length) {
            int from = 0;
            for (int i = 0; i < length; i++) {
                if (buffer[i] == '\n') {
                    text.append(buffer, from, i + 1 - from);
                    from = i + 1;
                    endLine(text.length() - 1);
                }
            }
            text.append(buffer, from, length - from);
            if (text.length() > documentBytes) {
                throw tooLong(file);
            }
        }

        private void endLine(int lineEnd) {
            boolean blank = lineEnd == lineStart || (lineEnd == lineStart + 1 && text.charAt(lineStart) == '\r');
            if (blank) {
                text.setLength(lineStart);
                emit();
            } else {
                lineStart = text.length();
            }
        }

        void end() {
            endLine(text.length());
            emit();
        }

        private void emit() {
            int length = text.length();
            if (length > 0 && text.charAt(length - 1) == '\n') {
                length--;
                if (length > 0 && text.charAt(length - 1) == '\r') {
                    length--;
                }
            }
            if (length > 0) {
                out.accept(new Document(file, count++, transform.apply(text.substring(0, length))));
            }
            text.setLength(0);
            lineStart = 0;
        }
    }
}
