/**
 * Tokenizers: {@link Tokenizer} is bytes, GPT-2 byte-level BPE, or any Hugging Face {@code tokenizer.json}. {@link
 * TokenizerJson} generates the tokenizer files of a checkpoint. Depends on jtokkit, the Hugging Face tokenizers library
 * (through DJL) and {@code base}.
 */
@NullMarked
package dev.moe4j.text.tokenizer;

import org.jspecify.annotations.NullMarked;
