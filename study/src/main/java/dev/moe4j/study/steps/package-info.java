/**
 * The steps of a study as child processes: identity, command, result and folder of each, progress, remaining time,
 * energy. {@link StudyFolder} is the folder on disk, {@link StudyIndex} its table of contents. Depends on {@code
 * base}.
 */
@NullMarked
package dev.moe4j.study.steps;

import org.jspecify.annotations.NullMarked;
