package dev.moe4j.text.source;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.Locale;

/** The format of a file with text. Compression is detected separately and is not part of the format. */
public enum TextFormat {
    /**
     * Detects the format of each file. Parquet is detected by content. JSON lines, CSV and TSV are detected by the file
     * extension: {@code .jsonl}, {@code .ndjson}, {@code .csv} or {@code .tsv}, optionally followed by {@code .gz},
     * {@code .zst} or {@code .xz}. Any other file is plain text.
     */
    @JsonProperty("auto")
    AUTO,
    /** Plain text. */
    @JsonProperty("text")
    TEXT,
    /** JSON lines: one JSON object per line, with the text in one of its fields. */
    @JsonProperty("jsonl")
    JSONL,
    /** Comma-separated values with quotes (RFC 4180). The first record names the columns, and one column is the text. */
    @JsonProperty("csv")
    CSV,
    /** Tab-separated values without quotes, one record per line. The first line names the columns. */
    @JsonProperty("tsv")
    TSV,
    /** Apache Parquet, with the text in one of its columns. */
    @JsonProperty("parquet")
    PARQUET;

    /** Returns the format of a file that is not Parquet. {@link #AUTO} resolves to a format by the file name. */
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
