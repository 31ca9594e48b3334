/**
 * Perplexity per token and word, bits per byte and expert load on prepared data: {@link Perplexity} scores
 * overlapping windows and resumes. Depends on {@code model} and {@code data.sample}.
 */
@NullMarked
package dev.moe4j.eval.perplexity;

import org.jspecify.annotations.NullMarked;
