package dev.moe4j.quickstart;

import dev.moe4j.data.shard.ShardList;

/**
 * A text that is held out of training.
 *
 * @param name as the report calls it
 * @param inDomain whether text of this kind was trained on
 * @param tokens the text under the run's tokenizer
 */
record HeldOutText(String name, boolean inDomain, ShardList tokens) {}
