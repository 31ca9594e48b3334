/**
 * How processes share the work: {@link Layout} says which ranks are data parallel and which expert parallel,
 * {@link Sharding} which states are sharded (ZeRO). Values only. Depends on nothing.
 */
@NullMarked
package dev.moe4j.parallel.layout;

import org.jspecify.annotations.NullMarked;
