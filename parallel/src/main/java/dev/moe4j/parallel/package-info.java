/**
 * Communication between processes: a {@link ParallelContext} holds the {@link ProcessGroup}s of a layout. A group
 * does all-reduce, all-gather, reduce-scatter, broadcast and all-to-all; a {@link Pending} is one under way.
 * Depends on {@code parallel.layout}, {@code parallel.rendezvous} and {@code parallel.c10d}.
 */
@NullMarked
package dev.moe4j.parallel;

import org.jspecify.annotations.NullMarked;
