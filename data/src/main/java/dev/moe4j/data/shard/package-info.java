/**
 * Tokenized documents on disk: {@link Shards} opens a folder of {@code .bin} and {@code .idx} files (the MMIDIDX
 * layout) with its {@link Manifest}; a {@link TokenStream} gives its tokens. Depends on {@code text}.
 */
@NullMarked
package dev.moe4j.data.shard;

import org.jspecify.annotations.NullMarked;
