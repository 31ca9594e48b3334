/**
 * Zero-shot and few-shot tasks. {@link Task} reads a task file in the format of docs/tasks.md, {@link Questions} reads
 * its records, and {@link TaskEvaluation} scores them and caches results. Depends on {@code eval.scoring} and {@code
 * eval.statistics}.
 */
@NullMarked
package dev.moe4j.eval.task;

import org.jspecify.annotations.NullMarked;
