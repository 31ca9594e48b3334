/**
 * The statistics of comparisons: loss against cost, the factor of speedup by the published rule and its interval
 * over seeds, verdicts. Depends on {@code study.steps}.
 */
@NullMarked
package dev.moe4j.report.statistics;

import org.jspecify.annotations.NullMarked;
