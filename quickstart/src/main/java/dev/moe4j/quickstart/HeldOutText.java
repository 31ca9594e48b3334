package dev.moe4j.quickstart;

import dev.moe4j.data.shard.ShardList;

/**
 * A text that is held out of training.
 *
 * @param name name in the report
 * @param inDomain whether the text is from the training domain
 * @param tokens the text's tokens
 */
record HeldOutText(String name, boolean inDomain, ShardList tokens) {}
