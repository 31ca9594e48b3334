/**
 * Perplexity per token and per word, bits per byte, and expert load on prepared data. {@link Perplexity} scores texts
 * in windows, which may overlap, and returns a {@link Score}. Depends on {@code model} and {@code data.sample}.
 */
@NullMarked
package dev.moe4j.eval.perplexity;

import org.jspecify.annotations.NullMarked;
