/** Tokenizers, ingestion, shards and sampling. Knows no tensor. */
@NullMarked
package dev.moe4j.data;

import org.jspecify.annotations.NullMarked;
