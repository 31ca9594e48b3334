/**
 * Progress views for people: a progress line ({@link ProgressLine}), a loss curve in the terminal
 * ({@link LossCurve}), and figures as SVG files. Depends on {@code console.output} and {@code text}.
 */
@NullMarked
package dev.moe4j.console.view;

import org.jspecify.annotations.NullMarked;
