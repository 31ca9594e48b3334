package dev.moe4j.data.shard;

/** A token stream that consists of consecutive documents. Safe for concurrent reads. */
public interface DocumentStream extends TokenStream {

    /** Returns the number of documents. */
    long documents();

    /**
     * Returns the position at which a document begins, in tokens.
     *
     * @param document the number of the document, from 0 to {@link #documents}. The last value gives {@link #tokens}.
     */
    long documentStart(long document);

    /** Returns the first document that begins at or after a position; {@link #documents} if there is none. */
    default long firstDocumentFrom(long token) {
        long low = 0;
        long high = documents();
        while (low < high) {
            long middle = (low + high) >>> 1;
            if (documentStart(middle) < token) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
