/**
 * Text generation. {@link Engine} serves many clients with continuous batching: prefill and decode of a changing set of
 * sequences that share a KV cache. {@link Generator} serves a single caller. Both stream text to a listener and sample as
 * {@link Sampling} says. Depends on {@code model.decode} and {@code text.tokenizer}.
 */
@NullMarked
package dev.moe4j.serve.engine;

import org.jspecify.annotations.NullMarked;
