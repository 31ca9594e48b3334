/**
 * Statistics of comparisons between dense models and mixtures of experts: metrics against costs, the speedup factor by
 * the published rule, its confidence interval over seeds, and verdicts. {@link ComparedGroup} compares the models of
 * studies. Depends on {@code study.steps}.
 */
@NullMarked
package dev.moe4j.report.statistics;

import org.jspecify.annotations.NullMarked;
