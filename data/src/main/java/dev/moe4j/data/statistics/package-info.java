/**
 * Statistics of prepared data: {@link DataStatistics} computes document lengths and repeated documents. {@link
 * TextOverlap} measures the overlap of evaluation text with training text (contamination). Depends on {@code data.shard}
 * and {@code text.select}.
 */
@NullMarked
package dev.moe4j.data.statistics;

import org.jspecify.annotations.NullMarked;
