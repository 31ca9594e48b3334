/**
 * Training sequences and evaluation windows: {@link TrainingData} opens data sources and mixes them. {@link
 * TrainingSequences} provides the sequence with a global number, cut in blocks or packed from documents. {@link
 * EvalWindows} divides a stream into windows for evaluation. Depends on {@code data.shard}.
 */
@NullMarked
package dev.moe4j.data.sample;

import org.jspecify.annotations.NullMarked;
