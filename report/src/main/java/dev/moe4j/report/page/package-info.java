/**
 * Self-contained HTML pages with charts (uPlot): {@link Page} combines the template, scripts and data into one file that
 * opens without a network. Depends on Jackson.
 */
@Internal
@NullMarked
package dev.moe4j.report.page;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
