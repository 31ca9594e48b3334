/**
 * Growing lists of primitives ({@link IntList}, {@link LongList}) and a 64-bit mixing function ({@link SplitMix64}).
 * Depends only on the JDK.
 */
@NullMarked
package dev.moe4j.base.primitive;

import org.jspecify.annotations.NullMarked;
