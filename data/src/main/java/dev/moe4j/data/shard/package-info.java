/**
 * Tokenized documents on disk: {@link Shards} opens a folder of {@code .bin} and {@code .idx} files (the MMIDIDX format
 * of fairseq and Megatron) with its {@link Manifest}. {@link TokenStream} and {@link DocumentStream} give access to the
 * tokens. Depends on {@code text}.
 */
@NullMarked
package dev.moe4j.data.shard;

import org.jspecify.annotations.NullMarked;
