package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What one document is in a file of text; in a file of records it is a record. */
public enum DocumentBoundary {
    /** A file, or an entry of an archive. */
    @JsonProperty("file")
    FILE,
    /** What stands between empty lines in a file, without the line break before them. */
    @JsonProperty("blank_line")
    BLANK_LINE,
    /**
     * As {@link #BLANK_LINE}, in the study's form: a line is a paragraph, and each newline, the blank line's too, becomes
     * an end of text, so that no token has a newline in it.
     */
    @JsonProperty("paper")
    PAPER
}
