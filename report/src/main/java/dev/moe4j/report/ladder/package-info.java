/**
 * The report on studies: {@link StudyReport} reads study folders and writes an HTML page, JSON and CSV, optionally with
 * the published study's results. Depends on {@code report.statistics}, {@code report.page} and {@code study.steps}.
 */
@NullMarked
package dev.moe4j.report.ladder;

import org.jspecify.annotations.NullMarked;
