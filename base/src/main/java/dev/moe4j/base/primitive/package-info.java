/**
 * Growing lists of primitives ({@link IntList}, {@link LongList}) and the SplitMix64 mixing function ({@link
 * SplitMix64}). Depends on the JDK alone.
 */
@NullMarked
package dev.moe4j.base.primitive;

import org.jspecify.annotations.NullMarked;
