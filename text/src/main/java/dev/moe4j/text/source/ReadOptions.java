package dev.moe4j.text.source;

/**
 * How text becomes documents; all of it decides what is read, so all of it is in the manifest.
 *
 * @param field the name of the field or column that is the text, where a file has records
 */
public record ReadOptions(
        TextFormat format,
        String field,
        DocumentBoundary splitting,
        TextTransform transform,
        OnError onError,
        Limits limits,
        DocumentFilter filter) {

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

    /** A document after the transform, of text that has so many bytes before it. */
    Document document(TextFile file, long part, String text, long bytes) {
        return transform == TextTransform.NONE
                ? new Document(file, part, text, bytes)
                : new Document(file, part, transform.apply(text));
    }
}
