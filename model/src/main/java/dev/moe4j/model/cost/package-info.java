/**
 * The cost of a model: training and inference FLOPs per token ({@link Cost}), parameters by component ({@link
 * ParameterCounts}), and device memory by cause ({@link MemoryEstimate}). Depends on {@code model.spec} and {@code
 * model.block}.
 */
@NullMarked
package dev.moe4j.model.cost;

import org.jspecify.annotations.NullMarked;
