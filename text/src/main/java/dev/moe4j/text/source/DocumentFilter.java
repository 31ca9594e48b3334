package dev.moe4j.text.source;

/** Decides which documents of an input are read. */
public interface DocumentFilter {

    /** A filter that keeps every document. */
    DocumentFilter ALL = new DocumentFilter() {
        @Override
        public String hash() {
            return "";
        }

        @Override
        public void check(TextInput input) {}

        @Override
        public boolean keeps(Document document) {
            return true;
        }
    };

    /** Returns the SHA-256 of the filter's definition, in hex; the empty string if it keeps every document. */
    String hash();

    /**
     * Checks that the filter was made for an input.
     *
     * @throws dev.moe4j.text.DataException if it was made for a different input
     */
    void check(TextInput input);

    /** Whether the document is kept. */
    boolean keeps(Document document);
}
