package dev.moe4j.eval.task;

/**
 * What a model made of a task's questions once: with one draw of examples, or after one fine-tuning.
 *
 * @param outcomes each question's, in order, as its measure counts them; empty for one that does not fit the context
 * @param dropped examples that did not fit
 * @param cut questions whose prompt lost its beginning
 */
public record TaskRun(double[][] outcomes, long dropped, long cut) {}
