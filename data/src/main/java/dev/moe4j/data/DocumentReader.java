package dev.moe4j.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Optional;

/** Cuts the text of one file into documents; what is no text gives none. */
final class DocumentReader {
    private final ReadOptions options;

    DocumentReader(ReadOptions options) {
        this.options = options;
    }

    /** Opens the file's bytes, uncompressed, from the beginning. */
    @FunctionalInterface
    interface Bytes {
        InputStream open() throws IOException;
    }

    /**
     * Gives a file's documents on, or none if it is no text: a file that is not read whole is looked through first, so
     * that it gives all of its documents or none.
     *
     * @return why it was left out, if it was
     */
    Optional<Skipped.Reason> read(TextFile file, Bytes bytes, Intake intake) throws IOException {
        if (options.splitting() != Splitting.FILE) {
            try (InputStream in = bytes.open()) {
                Optional<Skipped.Reason> reason = scan(in, (_, _) -> {});
                if (reason.isPresent()) {
                    return reason;
                }
            }
        }
        try (InputStream in = bytes.open()) {
            return readOnce(file, in, intake);
        }
    }

    /** Gives the documents of a stream on that can be read but once: those before it proves to be no text are given. */
    Optional<Skipped.Reason> readOnce(TextFile file, InputStream in, Intake intake) throws IOException {
        if (options.splitting() == Splitting.FILE) {
            return readWhole(file, in, intake);
        }
        Parts parts = new Parts(file, intake);
        Optional<Skipped.Reason> reason = scan(in, parts::add);
        if (reason.isPresent()) {
            return reason;
        }
        parts.end();
        return parts.count == 0 ? Optional.of(Skipped.Reason.EMPTY) : Optional.empty();
    }

    private Optional<Skipped.Reason> readWhole(TextFile file, InputStream in, Intake intake) throws IOException {
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
        intake.document(new Document(file, 0, options.transform().apply(text)));
        return Optional.empty();
    }

    /** Takes characters from the front of an array. */
    @FunctionalInterface
    private interface Characters {
        void add(char[] buffer, int length);
    }

    /** Reads text up to its end, or to what shows that it is none. */
    private static Optional<Skipped.Reason> scan(InputStream in, Characters out) throws IOException {
        char[] buffer = new char[1 << 15];
        Reader reader = new InputStreamReader(in, StandardCharsets.UTF_8.newDecoder());
        try {
            for (int n = reader.read(buffer); n >= 0; n = reader.read(buffer)) {
                for (int i = 0; i < n; i++) {
                    if (buffer[i] == 0) {
                        return Optional.of(Skipped.Reason.BINARY);
                    }
                }
                out.add(buffer, n);
            }
        } catch (CharacterCodingException e) {
            return Optional.of(Skipped.Reason.INVALID_UTF8);
        }
        return Optional.empty();
    }

    /** Lines that are gathered until an empty one. */
    private final class Parts {
        private final TextFile file;
        private final Intake intake;
        private final long most = options.limits().documentBytesInMemory();
        private final StringBuilder text = new StringBuilder();
        private int lineStart;
        private boolean tooLong;
        private long count;

        Parts(TextFile file, Intake intake) {
            this.file = file;
            this.intake = intake;
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
            if (text.length() > most) {
                refuse();
            }
            if (tooLong) {
                text.delete(0, lineStart);
                lineStart = 0;
                text.setLength(Math.min(text.length(), 2)); // enough to see that the line is not empty
            }
        }

        private void refuse() {
            if (!tooLong) {
                String where = "document " + count + " of " + file;
                intake.bad(where, options.limits().tooLong(where));
            }
            tooLong = true;
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
            if (length > most) {
                refuse();
            }
            if (tooLong) {
                count++;
            } else if (length > 0) {
                intake.document(new Document(file, count++, options.transform().apply(text.substring(0, length))));
            }
            tooLong = false;
            text.setLength(0);
            lineStart = 0;
        }
    }
}
