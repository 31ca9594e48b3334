/**
 * The parameters of a model: names and shapes, initial values, and {@code ParameterExchange}, which all-reduces
 * gradients (data parallel) and gathers sharded parameters (ZeRO). Depends on {@code tensor.parameter} and {@code
 * parallel}.
 */
@Internal
@NullMarked
package dev.moe4j.model.parameter;

import dev.moe4j.base.Internal;
import org.jspecify.annotations.NullMarked;
