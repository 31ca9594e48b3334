/**
 * Collective communication between the processes of a run. {@link DistributedRun} connects a process to the others. A
 * {@link ParallelContext} holds the {@link ProcessGroup}s for data parallel and expert parallel training. A group offers
 * all-reduce, all-gather, reduce-scatter, broadcast and all-to-all; each call returns a {@link PendingCollective}.
 * Depends on {@code parallel.layout}, {@code parallel.health}, {@code parallel.rendezvous}, {@code parallel.launch} and
 * {@code parallel.c10d}.
 */
@NullMarked
package dev.moe4j.parallel;

import org.jspecify.annotations.NullMarked;
