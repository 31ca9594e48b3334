/**
 * The processors that this process may use: {@link Processors} reads affinity, quota and topology. Depends on the
 * JDK alone.
 */
@NullMarked
package dev.moe4j.base.machine;

import org.jspecify.annotations.NullMarked;
