/**
 * Preparation of training data: {@link Preparation} turns documents into shards, on one machine or many, and
 * resumes after an interruption. {@link ShardMerge} joins parts, {@link Adoption} takes shards of other programs.
 * Depends on {@code data.shard} and {@code text.source}.
 */
@NullMarked
package dev.moe4j.data.prepare;

import org.jspecify.annotations.NullMarked;
