package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;

/** What happens when input is damaged, unreadable, beyond a limit or a record without its text. */
public enum OnError {
    /** Reading ends with a {@code DataException}. */
    @JsonProperty("fail")
    FAIL,
    /** The record, or what is left of the file, is left out and counted. */
    @JsonProperty("skip")
    SKIP
}
