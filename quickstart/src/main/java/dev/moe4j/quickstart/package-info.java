/**
 * A comparison in minutes: {@link Quickstart} trains a dense model and a mixture of experts in parallel on real text,
 * evaluates both and writes a report. Depends on {@code train}, {@code study.steps} and {@code report.pair}.
 */
@NullMarked
package dev.moe4j.quickstart;

import org.jspecify.annotations.NullMarked;
