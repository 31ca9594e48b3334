/**
 * Self-contained HTML pages with plots (uPlot), which open without a network. Depends on Jackson.
 */
@Internal
@NullMarked
package dev.moe4j.report.page;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
