/**
 * The whole story in minutes: {@link Quickstart} trains a dense model and a mixture on real text, measures both
 * and writes a report. Depends on {@code train} and {@code report.pair}.
 */
@NullMarked
package dev.moe4j.quickstart;

import org.jspecify.annotations.NullMarked;
