/**
 * Generation. {@link Decoder} runs prefill and decode steps of many sequences with a KV cache, {@code KeyValueCache};
 * it is the basis of continuous batching. Depends on {@code model}.
 */
@NullMarked
package dev.moe4j.model.decode;

import org.jspecify.annotations.NullMarked;
