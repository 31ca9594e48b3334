package dev.moe4j.data;

/**
 * How text becomes documents; all of it decides what is read, so all of it is in the manifest.
 *
 * @param field the name of the field or column that is the text, where a file has records
 */
record ReadOptions(
        TextFormat format,
        String field,
        Splitting splitting,
        TextTransform transform,
        OnError onError,
        Limits limits,
        Selection selection) {

    static final ReadOptions DEFAULT = new ReadOptions(
            TextFormat.TEXT, "text", Splitting.FILE, TextTransform.NONE, OnError.FAIL, Limits.DEFAULT, Selection.ALL);

    ReadOptions format(TextFormat value) {
        return new ReadOptions(value, field, splitting, transform, onError, limits, selection);
    }

    ReadOptions field(String value) {
        return new ReadOptions(format, value, splitting, transform, onError, limits, selection);
    }

    ReadOptions splitting(Splitting value) {
        return new ReadOptions(format, field, value, transform, onError, limits, selection);
    }

    ReadOptions transform(TextTransform value) {
        return new ReadOptions(format, field, splitting, value, onError, limits, selection);
    }

    ReadOptions onError(OnError value) {
        return new ReadOptions(format, field, splitting, transform, value, limits, selection);
    }

    ReadOptions limits(Limits value) {
        return new ReadOptions(format, field, splitting, transform, onError, value, selection);
    }

    ReadOptions selection(Selection value) {
        return new ReadOptions(format, field, splitting, transform, onError, limits, value);
    }

    /** A document after the transform, of text that has so many bytes before it. */
    Document document(TextFile file, long part, String text, long bytes) {
        return transform == TextTransform.NONE
                ? new Document(file, part, text, bytes)
                : new Document(file, part, transform.apply(text));
    }
}
