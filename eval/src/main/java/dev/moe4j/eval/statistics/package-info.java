/**
 * Intervals of measures: bootstrap and Wilson. Depends on the JDK alone.
 */
@Internal
@NullMarked
package dev.moe4j.eval.statistics;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
