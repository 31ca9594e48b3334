/**
 * Fine-tuning of a checkpoint on a task: {@link FineTuneSearch} tries learning rates and seeds and keeps the best;
 * a run trains the language model or a {@link LinearHead}. Depends on {@code train} and {@code eval.task}.
 */
@NullMarked
package dev.moe4j.finetune;

import org.jspecify.annotations.NullMarked;
