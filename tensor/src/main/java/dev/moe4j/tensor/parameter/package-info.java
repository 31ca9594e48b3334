/**
 * A model's parameters in flat buffers. A {@link ParameterGroup} holds the master weights, working copies, gradients and
 * optimizer states of some parameters. It can be sharded over data-parallel processes (ZeRO) by {@link ShardSpec} and {@link
 * ShardSync}. Entry points: {@link Parameters}, {@link Parameter}. Depends on {@code tensor}.
 */
@NullMarked
package dev.moe4j.tensor.parameter;

import org.jspecify.annotations.NullMarked;
