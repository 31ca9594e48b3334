/**
 * The file that describes a study ({@code Ladder}) and its plan: which steps, in which order, from which commands.
 * Depends on {@code study.steps} and {@code train.config}.
 */
@Internal
@NullMarked
package dev.moe4j.study.ladder;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
