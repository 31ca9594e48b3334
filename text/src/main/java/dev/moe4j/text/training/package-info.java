/**
 * Training of a byte-level BPE tokenizer: {@link BpeTrainer} counts the pieces of a text, learns merges and writes a
 * {@code tokenizer.json}. Depends on {@code text.source} and {@code text.tokenizer}.
 */
@NullMarked
package dev.moe4j.text.training;

import org.jspecify.annotations.NullMarked;
