/**
 * Training sequences as a function of a number: {@link TrainingData} opens sources and mixes them, a {@link
 * TrainingSequences} gives the sequence with a global number. {@link EvalWindows} are overlapping windows for
 * evaluation. Depends on {@code data.shard}.
 */
@NullMarked
package dev.moe4j.data.sample;

import org.jspecify.annotations.NullMarked;
