package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.Optional;

/**
 * Splits text into documents at blank lines. For speed, it searches for line ends in the raw bytes, reads new bytes
 * directly after the unfinished document in the buffer, and decodes each document once when it is complete.
 */
final class LineDocuments {
    /** The initial size of the buffer, which grows for larger documents. Each read fills at most a quarter. */
    private static final int BUFFER = 1 << 18;

    private final ReadOptions options;
    private final TextFile file;
    private final DocumentSink sink;
    private final int limit;
    private byte[] buffer = new byte[BUFFER];
    private int start;
    private int lineStart;
    private int end;
    private boolean tooLong;
    private long count;

    LineDocuments(ReadOptions options, TextFile file, DocumentSink sink) {
        this.options = options;
        this.file = file;
        this.sink = sink;
        this.limit = (int) options.limits().documentBytesInMemory();
    }

    /**
     * Passes on documents until the stream ends or turns out not to be text.
     *
     * @return the reason if the stream is not text or has no documents
     */
    Optional<Skipped.Reason> read(InputStream in) throws IOException {
        try {
            while (true) {
                if (buffer.length - end < BUFFER / 4) {
                    makeSpace();
                }
                int n = in.read(buffer, end, Math.min(BUFFER / 4, buffer.length - end));
                if (n < 0) {
                    break;
                }
                if (!split(end, end += n)) {
                    return Optional.of(Skipped.Reason.BINARY);
                }
                checkLength();
            }
            if (!isBlank(end)) {
                lineStart = end;
            }
            emit(lineStart);
        } catch (CharacterCodingException e) {
            return Optional.of(Skipped.Reason.INVALID_UTF8);
        }
        return count == 0 ? Optional.of(Skipped.Reason.EMPTY) : Optional.empty();
    }

    /** Moves the unfinished document to the front of the buffer, and grows or shrinks the buffer to fit. */
    private void makeSpace() {
        int kept = end - start;
        int length = kept <= BUFFER / 2 ? BUFFER : (int) Math.min(2L * kept, (long) limit + BUFFER);
        byte[] larger = length == buffer.length ? buffer : new byte[length];
        System.arraycopy(buffer, start, larger, 0, kept);
        buffer = larger;
        lineStart -= start;
        start = 0;
        end = kept;
    }

    /** Searches new bytes for line ends; returns false if one of the bytes is NUL. */
    private boolean split(int from, int to) throws CharacterCodingException {
        byte[] bytes = buffer;
        for (int i = from; i < to; i++) {
            byte b = bytes[i];
            if (b <= '\n' && b >= 0) {
                if (b == 0) {
                    return false;
                }
                if (b == '\n') {
                    endLine(i);
                }
            }
        }
        return true;
    }

    private boolean isBlank(int lineEnd) {
        return lineEnd == lineStart || (lineEnd == lineStart + 1 && buffer[lineStart] == '\r');
    }

    private void endLine(int lineEnd) throws CharacterCodingException {
        if (isBlank(lineEnd)) {
            emit(lineStart);
            start = lineEnd + 1;
        }
        lineStart = lineEnd + 1;
    }

    private void reportTooLong() {
        if (!tooLong) {
            String where = "document " + count + " of " + file;
            sink.badInput(where, options.limits().tooLong(where));
        }
        tooLong = true;
    }

    private void checkLength() {
        if (end - start > limit) {
            reportTooLong();
        }
        if (tooLong) {
            start = lineStart;
            end = Math.min(end, lineStart + 2); // two bytes suffice to detect a blank line
        }
    }

    private void emit(int to) throws CharacterCodingException {
        int length = to - start;
        if (length > 0 && buffer[start + length - 1] == '\n') {
            length--;
            if (length > 0 && buffer[start + length - 1] == '\r') {
                length--;
            }
        }
        if (length > limit) {
            reportTooLong();
        }
        if (tooLong) {
            count++;
        } else if (length > 0) {
            sink.document(options.document(file, count++, Utf8.decode(buffer, start, length), length));
        }
        tooLong = false;
    }
}
