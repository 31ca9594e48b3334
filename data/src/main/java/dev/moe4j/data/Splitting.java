package dev.moe4j.data;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What one document is. */
public enum Splitting {
    /** A file, or an entry of an archive. */
    @JsonProperty("file")
    FILE,
    /** What stands between empty lines in a file, without the line break before them. */
    @JsonProperty("blank_line")
    BLANK_LINE
}
