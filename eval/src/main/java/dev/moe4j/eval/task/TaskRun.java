package dev.moe4j.eval.task;

/**
 * The outcomes of one pass over a task's questions: with one draw of few-shot examples, or after one fine-tuning.
 *
 * @param outcomes the values of each question, in order, as its measure defines them; empty for a question that does
 *     not fit the context
 * @param dropped few-shot examples that did not fit
 * @param cut questions whose prompt was cut from the left
 */
public record TaskRun(double[][] outcomes, long dropped, long cut) {}
