package dev.moe4j.data.shard;

/** Documents back to back in one long row of ids. Safe to read from many threads. */
public interface DocumentStream extends TokenStream {

    /** The number of documents. */
    long documents();

    /**
     * Where a document begins, in ids.
     *
     * @param document from 0 to {@link #documents}, the latter giving {@link #tokens}
     */
    long documentStart(long document);

    /** The first document that begins at or behind a place in the row; {@link #documents} if there is none. */
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
