package dev.moe4j.text.source;

import dev.moe4j.base.text.Utf8;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.CharacterCodingException;
import java.util.Optional;

/**
 * The documents of a text whose ends are empty lines. Lines are looked for in the bytes, which are read to where the
 * document's other bytes stand, and a document is decoded once, when it is whole: that is what a processor does fast.
 */
final class LineDocuments {
    /** What a buffer holds that no document has made larger; four times what is read at once. */
    private static final int BUFFER = 1 << 18;

    private final ReadOptions options;
    private final TextFile file;
    private final DocumentSink intake;
    private final int most;
    private byte[] buffer = new byte[BUFFER];
    private int start;
    private int lineStart;
    private int end;
    private boolean tooLong;
    private long count;

    LineDocuments(ReadOptions options, TextFile file, DocumentSink intake) {
        this.options = options;
        this.file = file;
        this.intake = intake;
        this.most = (int) options.limits().documentBytesInMemory();
    }

    /** Gives the documents on until the bytes end or prove to be no text, and returns why there are no more, or none. */
    Optional<Skipped.Reason> read(InputStream in) throws IOException {
        try {
            while (true) {
                if (buffer.length - end < BUFFER / 4) {
                    makeRoom();
                }
                int n = in.read(buffer, end, Math.min(BUFFER / 4, buffer.length - end));
                if (n < 0) {
                    break;
                }
                if (!split(end, end += n)) {
                    return Optional.of(Skipped.Reason.BINARY);
                }
                refuseTooLong();
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

    /** Moves what is kept to the front: of a small buffer, or of one of twice its length. */
    private void makeRoom() {
        int kept = end - start;
        int length = kept <= BUFFER / 2 ? BUFFER : (int) Math.min(2L * kept, (long) most + BUFFER);
        byte[] larger = length == buffer.length ? buffer : new byte[length];
        System.arraycopy(buffer, start, larger, 0, kept);
        buffer = larger;
        lineStart -= start;
        start = 0;
        end = kept;
    }

    /** Looks at new bytes; false if one of them is NUL. */
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

    private void refuse() {
        if (!tooLong) {
            String where = "document " + count + " of " + file;
            intake.bad(where, options.limits().tooLong(where));
        }
        tooLong = true;
    }

    private void refuseTooLong() {
        if (end - start > most) {
            refuse();
        }
        if (tooLong) {
            start = lineStart;
            end = Math.min(end, lineStart + 2); // enough to see that the line is not empty
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
        if (length > most) {
            refuse();
        }
        if (tooLong) {
            count++;
        } else if (length > 0) {
            intake.document(options.document(file, count++, Utf8.decode(buffer, start, length), length));
        }
        tooLong = false;
    }
}
