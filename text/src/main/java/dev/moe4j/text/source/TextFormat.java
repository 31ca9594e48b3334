package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Locale;

/** How a file holds its text. Compression is seen by itself and is not part of the format. */
public enum TextFormat {
    /**
     * By what the file is: Parquet by its content; JSON lines, CSV and TSV by the end of its name ({@code .jsonl},
     * {@code .ndjson}, {@code .csv}, {@code .tsv}, before {@code .gz}, {@code .zst} or {@code .xz}); else text.
     */
    @JsonProperty("auto")
    AUTO,
    /** Text and nothing else. */
    @JsonProperty("text")
    TEXT,
    /** A JSON object a line, one of whose fields is a document. */
    @JsonProperty("jsonl")
    JSONL,
    /** Comma-separated values with quotes as in RFC 4180; the first record names the columns, of which one is text. */
    @JsonProperty("csv")
    CSV,
    /** A record a line, tabs between its values, no quotes; the first line names the columns, of which one is text. */
    @JsonProperty("tsv")
    TSV,
    /** Apache Parquet, of which one column is text. */
    @JsonProperty("parquet")
    PARQUET;

    /** The format of a file that is not Parquet, by its name if this is {@link #AUTO}. */
    TextFormat of(String name) {
        if (this != AUTO) {
            return this;
        }
        String lower = name.toLowerCase(Locale.ROOT);
        for (String compressed : new String[] {".gz", ".zst", ".xz"}) {
            if (lower.endsWith(compressed)) {
                lower = lower.substring(0, lower.length() - compressed.length());
            }
        }
        return switch (lower.substring(lower.lastIndexOf('.') + 1)) {
            case "jsonl", "ndjson" -> JSONL;
            case "csv" -> CSV;
            case "tsv" -> TSV;
            default -> TEXT;
        };
    }
}
