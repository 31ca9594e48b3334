package dev.moe4j.text.source;

/** Decides which documents of an input are read. */
public interface DocumentFilter {

    /** Keeps every document. */
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

    /** Returns the SHA-256 of the rule; an empty text if all documents are kept. */
    String hash();

    /**
     * Checks that the rule was made for an input.
     *
     * @throws dev.moe4j.text.DataException if it was made for another one
     */
    void check(TextInput input);

    boolean keeps(Document document);
}
