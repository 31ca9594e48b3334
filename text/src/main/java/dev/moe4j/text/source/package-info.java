/**
 * Documents from files: {@link TextInput} reads plain text, JSON lines, CSV, TSV and Parquet, from folders, glob
 * patterns, zip archives and standard input. {@link Skipped} counts the skipped files and records. {@link DocumentFilter}
 * decides which documents are kept. Depends on {@code text.compression}, fastcsv, hardwood (Parquet) and Jackson.
 */
@NullMarked
package dev.moe4j.text.source;

import org.jspecify.annotations.NullMarked;
