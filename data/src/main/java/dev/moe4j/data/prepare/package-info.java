/**
 * Preparation of training data: {@link Preparation} tokenizes documents into shards, on one machine or several, and
 * resumes after an interruption. {@link ShardMerge} joins the output of several machines. {@link Adoption} adds a
 * manifest to shards from other programs. Depends on {@code data.shard}, {@code text.source} and {@code text.tokenizer}.
 */
@NullMarked
package dev.moe4j.data.prepare;

import org.jspecify.annotations.NullMarked;
