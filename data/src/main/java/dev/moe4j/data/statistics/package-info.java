/**
 * Statistics of prepared data ({@link DataStatistics}) and the overlap of evaluation text with training text
 * ({@link TextOverlap}). Depends on {@code data.shard} and {@code text.select}.
 */
@NullMarked
package dev.moe4j.data.statistics;

import org.jspecify.annotations.NullMarked;
