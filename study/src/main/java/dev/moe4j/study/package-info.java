/**
 * Studies: {@link Study} runs all steps of a ladder of models, several at once if memory allows, and resumes after
 * any failure. Depends on {@code study.ladder} and {@code study.steps}.
 */
@NullMarked
package dev.moe4j.study;

import org.jspecify.annotations.NullMarked;
