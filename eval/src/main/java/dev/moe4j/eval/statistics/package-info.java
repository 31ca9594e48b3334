/**
 * Confidence intervals: the stratified bootstrap ({@link Bootstrap}) and Wilson's interval ({@link Wilson}). Depends on
 * the JDK alone.
 */
@Internal
@NullMarked
package dev.moe4j.eval.statistics;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
