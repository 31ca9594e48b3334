/**
 * The report on a dense run and a mixture-of-experts run on one text: {@link Report} writes the HTML page of a
 * quickstart, {@link PairSpeedup} compares the learning curves. Depends on {@code report.statistics} and {@code
 * report.page}.
 */
@NullMarked
package dev.moe4j.report.pair;

import org.jspecify.annotations.NullMarked;
