/**
 * The processors that this process may use: {@link Processors} reads CPU affinity, quota and topology. Depends only on the
 * JDK.
 */
@NullMarked
package dev.moe4j.base.machine;

import org.jspecify.annotations.NullMarked;
