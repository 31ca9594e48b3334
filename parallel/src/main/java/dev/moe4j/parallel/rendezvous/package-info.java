/**
 * How ranks find each other: {@link Environment} reads torchrun, Slurm and launch variables, {@link Rendezvous}
 * meets at a file or a port, {@link FailureDetector} watches the other ranks. Depends on {@code parallel.health}
 * and c10d stores.
 */
@NullMarked
package dev.moe4j.parallel.rendezvous;

import org.jspecify.annotations.NullMarked;
