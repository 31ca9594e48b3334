/**
 * Studies that compare dense and mixture-of-experts models: {@link Study} runs the steps of a ladder as child
 * processes, several in parallel, and resumes after any interruption. Depends on {@code study.ladder} and {@code
 * study.steps}.
 */
@NullMarked
package dev.moe4j.study;

import org.jspecify.annotations.NullMarked;
