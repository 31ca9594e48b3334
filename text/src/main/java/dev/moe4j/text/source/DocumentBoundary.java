package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How a text file is split into documents. In a file of records, each record is a document. */
public enum DocumentBoundary {
    /** A whole file, or a whole archive entry, is one document. */
    @JsonProperty("file")
    FILE,
    /** Blank lines separate documents. The line break before a blank line is not part of the document. */
    @JsonProperty("blank_line")
    BLANK_LINE,
    /**
     * Like {@link #BLANK_LINE}, in the form that the paper study uses: each line is a paragraph, and each newline becomes
     * an end-of-text token, including the newline of the blank line. No token then contains a newline.
     */
    @JsonProperty("paper")
    PAPER
}
