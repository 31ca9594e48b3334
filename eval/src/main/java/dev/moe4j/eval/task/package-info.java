/**
 * Zero-shot and few-shot tasks: {@link Task} reads a task file, {@link TaskEvaluation} scores it and keeps
 * finished results, {@link Questions} turns records into prompts. docs/tasks.md is the format. Depends on {@code
 * eval.scoring}.
 */
@NullMarked
package dev.moe4j.eval.task;

import org.jspecify.annotations.NullMarked;
