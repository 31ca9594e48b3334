/**
 * Parameters in flat buffers: a {@link ParameterGroup} holds all parameters of one kind, their gradients and
 * optimizer states, and may be sharded over processes ({@link ShardSpec}, {@link ShardSync}). Entry points: {@link
 * Parameters}, {@link Parameter}. Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.tensor.parameter;

import org.jspecify.annotations.NullMarked;
