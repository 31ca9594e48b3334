/**
 * Options shared by several commands, and the objects they name: inputs, models, presets, data, precision. Depends
 * on {@code console.output} and {@code train}.
 */
@NullMarked
package dev.moe4j.console.option;

import org.jspecify.annotations.NullMarked;
