package dev.moe4j.text.source;

import dev.moe4j.text.DataException;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import java.util.function.Consumer;

/** Receives documents and bad input while files are read. Documents are passed on; bad input is counted or refused. */
public final class DocumentSink {
    private final Consumer<Document> out;
    private final OnError onError;
    private final Skipped skipped;
    private long documents;

    /**
     * Creates a sink.
     *
     * @param out receives the documents
     * @param onError whether bad input is counted or refused
     * @param skipped counts skipped input
     */
    public DocumentSink(Consumer<Document> out, OnError onError, Skipped skipped) {
        this.out = out;
        this.onError = onError;
        this.skipped = skipped;
    }

    void document(Document document) {
        documents++;
        out.accept(document);
    }

    /** Returns the number of documents passed on. */
    long documents() {
        return documents;
    }

    /** Counts input that is skipped without being an error. */
    void skip(Skipped.Reason reason, String what) {
        skipped.add(reason, what);
    }

    /**
     * Counts or refuses bad input.
     *
     * @param what the file, the archive entry or the record that is lost
     * @throws DataException if bad input is refused
     */
    void badInput(String what, IOException e) {
        if (onError == OnError.SKIP) {
            skipped.add(reason(e), what);
        } else if (e instanceof BadInputException bad) {
            throw new DataException(bad.line(), e);
        } else {
            throw DataException.of("cannot read " + what, e, "check the file, leave it out, or skip bad input");
        }
    }

    private static Skipped.Reason reason(IOException e) {
        return switch (e) {
            case BadInputException bad -> bad.reason();
            case AccessDeniedException _, NoSuchFileException _ -> Skipped.Reason.UNREADABLE;
            case CharacterCodingException _ -> Skipped.Reason.INVALID_UTF8;
            default -> Skipped.Reason.DAMAGED;
        };
    }
}
