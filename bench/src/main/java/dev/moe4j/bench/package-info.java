/**
 * Benchmarks of training steps ({@link StepBenchmark}), inference ({@link DecodeBenchmark}), matrix products ({@link
 * GemmBenchmark}), data ({@link DataBenchmark}) and checkpoint stalls ({@link CheckpointStall}). {@link MemoryLaw} and
 * {@link PrecisionLaw} check laws of training, {@link Sanity} checks a device. Speeds are compared with the peak that the
 * same process measures. Depends on {@code train}, {@code plan} and {@code tensor.hardware}.
 */
@NullMarked
package dev.moe4j.bench;

import org.jspecify.annotations.NullMarked;
