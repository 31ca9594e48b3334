/**
 * Documents from files: {@link TextInput} reads plain text, JSON lines, CSV, TSV and Parquet, from folders,
 * patterns, archives and standard input, and reports what it skips. {@link DocumentFilter} decides which documents
 * are read. Depends on {@code text.compression}, fastcsv and Hardwood.
 */
@NullMarked
package dev.moe4j.text.source;

import org.jspecify.annotations.NullMarked;
