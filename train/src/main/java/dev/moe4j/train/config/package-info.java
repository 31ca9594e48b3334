/**
 * The configuration of a training run: {@link RunConfig} with its records, the presets' training recipes, and the run
 * folder. Depends on {@code config}, {@code model.spec} and {@code parallel}.
 */
@NullMarked
package dev.moe4j.train.config;

import org.jspecify.annotations.NullMarked;
