package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;

/** How reading handles bad input: damaged or unreadable files, input beyond a limit, and records without text. */
public enum OnError {
    /** Reading fails with a {@code DataException}. */
    @JsonProperty("fail")
    FAIL,
    /** The record, or the rest of the file, is skipped and counted. */
    @JsonProperty("skip")
    SKIP
}
