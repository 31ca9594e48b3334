/**
 * Training of a byte-level BPE tokenizer on your own text: {@link BpeTrainer} counts pieces and learns merges.
 * Depends on {@code text.source} and {@code text.tokenizer}.
 */
@NullMarked
package dev.moe4j.text.training;

import org.jspecify.annotations.NullMarked;
