/**
 * Rendezvous of the ranks of a run. {@link RankEnvironment} reads the variables of torchrun, Slurm, Kubernetes and
 * {@code launch}. {@link Rendezvous} connects the ranks through a file or a TCP store. {@link FailureDetector} explains
 * failed collectives. Depends on {@code parallel.health}, {@code parallel.layout} and c10d stores.
 */
@NullMarked
package dev.moe4j.parallel.rendezvous;

import org.jspecify.annotations.NullMarked;
