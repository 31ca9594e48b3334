/**
 * The report on studies: {@link StudyReport} reads study folders and writes report.html, JSON and CSV, with the
 * published results alongside. Depends on {@code report.statistics} and {@code report.page}.
 */
@NullMarked
package dev.moe4j.report.ladder;

import org.jspecify.annotations.NullMarked;
