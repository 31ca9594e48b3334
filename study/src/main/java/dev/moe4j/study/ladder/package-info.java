/**
 * The description of a study: {@code Ladder} reads the YAML file, {@code StudyPlan} turns it into steps with their
 * commands, order and dependencies. Depends on {@code study.steps}, {@code train.config} and the data and task readers.
 */
@Internal
@NullMarked
package dev.moe4j.study.ladder;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
