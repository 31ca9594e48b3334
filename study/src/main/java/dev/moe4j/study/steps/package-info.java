/**
 * The steps of a study as child processes: identity, command, result, progress, remaining time and energy. {@link
 * StudyFolder} reads and writes the study's folder, {@link StudyIndex} is its table of contents. {@link ConcurrentRuns}
 * runs trainings in threads of this process. Depends on {@code base}.
 */
@NullMarked
package dev.moe4j.study.steps;

import org.jspecify.annotations.NullMarked;
