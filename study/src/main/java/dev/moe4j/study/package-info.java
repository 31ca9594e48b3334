/** Runs of several models side by side, their comparison and the report. */
@NullMarked
package dev.moe4j.study;

import org.jspecify.annotations.NullMarked;
