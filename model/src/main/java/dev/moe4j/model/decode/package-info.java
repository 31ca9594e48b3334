/**
 * Generation: {@link Decoder} runs prefill and decode steps of many sequences with a {@link KeyValueCache}.
 * Depends on {@code model}.
 */
@NullMarked
package dev.moe4j.model.decode;

import org.jspecify.annotations.NullMarked;
