package dev.moe4j.text.source;

/**
 * The options that turn files into documents. The manifest of prepared data records all of them.
 *
 * @param format the format of the files
 * @param field the name of the field or column with the text, for files of records
 * @param splitting how a text file is split into documents
 * @param transform the change to the text of each document
 * @param onError how bad input is handled
 * @param limits limits on the size of input
 * @param filter decides which documents are kept
 */
public record ReadOptions(
        TextFormat format,
        String field,
        DocumentBoundary splitting,
        TextTransform transform,
        OnError onError,
        Limits limits,
        DocumentFilter filter) {

    /** Reads each file as one document of unchanged text, keeps all documents and fails on bad input. */
    public static final ReadOptions DEFAULT = new ReadOptions(
            TextFormat.TEXT,
            "text",
            DocumentBoundary.FILE,
            TextTransform.NONE,
            OnError.FAIL,
            Limits.DEFAULT,
            DocumentFilter.ALL);

    ReadOptions format(TextFormat value) {
        return new ReadOptions(value, field, splitting, transform, onError, limits, filter);
    }

    ReadOptions field(String value) {
        return new ReadOptions(format, value, splitting, transform, onError, limits, filter);
    }

    /** Returns a copy with another way to split a text file. */
    public ReadOptions splitting(DocumentBoundary value) {
        return new ReadOptions(format, field, value, transform, onError, limits, filter);
    }

    ReadOptions transform(TextTransform value) {
        return new ReadOptions(format, field, splitting, value, onError, limits, filter);
    }

    ReadOptions onError(OnError value) {
        return new ReadOptions(format, field, splitting, transform, value, limits, filter);
    }

    ReadOptions limits(Limits value) {
        return new ReadOptions(format, field, splitting, transform, onError, value, filter);
    }

    ReadOptions filter(DocumentFilter value) {
        return new ReadOptions(format, field, splitting, transform, onError, limits, value);
    }

    /** Applies the transform and returns the document. {@code bytes} is the length of {@code text} in UTF-8. */
    Document document(TextFile file, long part, String text, long bytes) {
        return transform == TextTransform.NONE
                ? new Document(file, part, text, bytes)
                : new Document(file, part, transform.apply(text));
    }
}
