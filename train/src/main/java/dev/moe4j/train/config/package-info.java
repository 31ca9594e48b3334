/**
 * The configuration of a run: {@link RunConfig} and its records, presets of training recipes, and the run folder.
 * Depends on {@code config} and {@code model.spec}.
 */
@NullMarked
package dev.moe4j.train.config;

import org.jspecify.annotations.NullMarked;
