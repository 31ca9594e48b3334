/**
 * The report on two models that were trained on one text: {@link Report} writes the page and the JSON of a
 * quickstart, {@link Speedup} compares their learning curves. Depends on {@code report.statistics} and {@code
 * report.page}.
 */
@NullMarked
package dev.moe4j.report.pair;

import org.jspecify.annotations.NullMarked;
